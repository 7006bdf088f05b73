"""An HSS over Diameter: connections, requests for vectors, faults, and a list of who asked what."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from simgrant.nouns import noun, replace
from simgrant.sim.hss.auc import NO_SUCH_SCHEME, Auc, Refusal
from simgrant.sim.hss.data import QUESTIONS, Questions, Users
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.hss.interfaces import APPLICATIONS, INTERFACES, Interface, written
from simgrant.spec.diameter import IETF, TGPP, result_name
from simgrant.wire.diameter.avps import (
    DESTINATION_HOST,
    DESTINATION_REALM,
    DRMP,
    OC_SUPPORTED_FEATURES,
    REDIRECT_HOST,
    REDIRECT_HOST_USAGE,
    REDIRECT_MAX_CACHE_TIME,
    RESULT_CODE,
    SESSION_ID,
    USER_NAME,
)
from simgrant.wire.diameter.base import (
    COMMON,
    NO_STATE,
    Cause,
    Command,
    Node,
    Result,
    answer_fault,
    answer_with,
    pull_capabilities,
    push_application,
    push_capabilities,
    push_disconnect,
    push_watchdog,
)
from simgrant.wire.diameter.message import (
    ERROR,
    HEADER_BYTES,
    RETRANSMITTED,
    Avps,
    BadDiameter,
    Header,
    Message,
    answer,
    pull_header,
    pull_message,
    push_message,
    request,
)
from simgrant.wire.diameter.overload import Report, Scope, push_report
from simgrant.wire.diameter.stream import Splitter
from simgrant.wire.diameter.swx import APPLICATION

PRODUCT: Final = "simgrant sim hss"
_KEPT: Final = 10_000
_GOOD_BYE_S: Final = 1.0
_IPPROTO_SCTP: Final = 132


@noun
class Seen:
    """A request for a vector or for what is known of a user."""

    peer: str
    """Origin-Host of who is connected: the last relay, if there is one."""
    end_to_end: int
    repeated: bool
    """Whether it had the T flag."""
    interface: str
    """`swx`, `cx`, `s6a` or `sh`."""
    scheme: str
    """Of a vector; else what was asked for."""
    resync: bool
    fault: Fault | None
    result: tuple[int, int]
    """Vendor and code."""
    priority: int | None = None
    """DRMP, where it says any."""

    @property
    def shown(self) -> str:
        """Return the result for people."""
        return result_name(*self.result)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can have of it."""
        return {
            "peer": self.peer,
            "interface": self.interface,
            "scheme": self.scheme,
            "resync": self.resync,
            "repeated": self.repeated,
            "result": self.shown,
            "fault": self.fault,
            "priority": self.priority,
        }


class HssServer:
    """One HSS; it listens once it is `up`."""

    def __init__(
        self,
        auc: Auc,
        *,
        host: str = "hss.epc.mnc001.mcc001.3gppnetwork.org",
        realm: str = "epc.mnc001.mcc001.3gppnetwork.org",
        address: str = "127.0.0.1",
        port: int = 0,
        peers: frozenset[str] | None = None,
        tls: ssl.SSLContext | None = None,
        over_sctp: bool = False,
        tell: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """Take ``peers``, the Origin-Hosts that are let in; None = anybody."""
        self.node = Node(host, realm, PRODUCT, APPLICATIONS, 1)
        self.auc = auc
        self.users = Users(auc.sims)
        self.address = address
        self.port = port
        self.plan: Plan | None = None
        self.seen: deque[Seen] = deque(maxlen=_KEPT)
        self.connections: list[Link] = []
        self.left: list[str] = []
        """Origin-Hosts of those who said good-bye."""
        self.watchdogs = 0
        """Questions of watchdogs that came."""
        self.told: deque[Message] = deque(maxlen=_KEPT)
        """Answers to what it asked."""
        self.changed = asyncio.Event()
        """Set whenever something came; for tests, which clear it."""
        self._peers = peers
        self._tls = tls
        self._over_sctp = over_sctp
        self._tell = tell
        self._server: asyncio.Server | None = None
        self._report = Report(0, Scope.HOST, 0, 0)
        """The last one of an overload."""

    async def up(self) -> None:
        """Listen; the port is known afterwards. OSError, also where the kernel lacks SCTP."""
        loop = asyncio.get_running_loop()
        if self._over_sctp:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_SCTP)
            sock.bind((self.address, self.port))
            self._server = await loop.create_server(self.link, sock=sock)
        else:
            self._server = await loop.create_server(
                self.link, self.address, self.port, ssl=self._tls
            )
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Break every connection and listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.drop()
        if server is not None:
            await server.wait_closed()

    def drop(self) -> None:
        """Break every connection."""
        for link in tuple(self.connections):
            link.abort()

    async def leave(self) -> None:
        """Say good-bye to everybody and end, without waiting for long."""
        self.say_good_bye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOOD_BYE_S):
                while self.connections:
                    self.changed.clear()
                    await self.changed.wait()
        await self.down()

    def say_good_bye(self, cause: int = Cause.REBOOTING) -> None:
        """Tell everybody who is connected to disconnect (RFC 6733 §5.4)."""
        for link in self.connections:
            link.ask(Command.DISCONNECT_PEER, COMMON, push_disconnect(self.node, cause))

    def push(
        self,
        command: int,
        user_name: str,
        application: int = APPLICATION,
        *,
        own: bytes = b"",
        to: str = "",
    ) -> None:
        """Ask something about a user, such as Push-Profile: everybody who is connected.

        ``own`` are AVPs that the command has besides. ``to`` is who is meant, by way of the first
        connection, where that is a relay.
        """
        for link in self.connections[:1] if to else self.connections:
            avps = b"".join(
                (
                    SESSION_ID.push(f"{self.node.host};1;{len(self.told)}"),
                    push_application(application),
                    NO_STATE,
                    self.node.push_origin(),
                    DESTINATION_HOST.push(to or link.peer),
                    DESTINATION_REALM.push(self.node.realm),
                    USER_NAME.push(user_name),
                    own,
                )
            )
            link.ask(command, application, avps)

    def link(self) -> Link:
        """Return a new connection."""
        return Link(self)

    # --- used by connections ---------------------------------------------------------

    def capabilities(self, asked: Message, address: str) -> tuple[str, bytes]:
        """Return who asks, empty where it is not let in, and the CEA."""
        found = pull_capabilities(asked.avps)
        result = Result.SUCCESS
        if self._peers is not None and found.host not in self._peers:
            result = Result.UNKNOWN_PEER
        elif not found.shares(self.node.applications):
            result = Result.NO_COMMON_APPLICATION
        avps = RESULT_CODE.push(result) + push_capabilities(self.node, address)
        told = answer(asked.header, avps, error=result == Result.UNKNOWN_PEER)
        return found.host if result == Result.SUCCESS else "", told

    def fault(self) -> Plan | None:
        """Return what is to be done wrong to a request, and count it."""
        plan = self.plan
        if plan is not None and plan.times > 0:
            self.plan = replace(plan, times=plan.times - 1) if plan.times > 1 else None
        return plan

    def answer(
        self, interface: Interface, asked: Message, plan: Plan | None
    ) -> tuple[bytes, tuple[int, int]]:
        """Return the answer to a request for a vector, and its result."""
        if (refused := self._refusal(asked, plan)) is not None:
            return refused
        fault = plan.fault if plan else None
        try:
            wanted = interface.pull(asked.avps)
            if wanted.scheme not in interface.schemes:
                raise Refusal(*NO_SUCH_SCHEME)
            item = self.auc.item(wanted, wrong=fault is Fault.WRONG_VECTOR)
        except BadDiameter as error:
            told = answer_fault(self.node, asked, error.fault, str(error))
            return told, (IETF, error.fault)
        except Refusal as refusal:
            return self._refused(asked, refusal.vendor, refusal.code)
        avps = NO_STATE + written(interface, item, asked.avps, fault)
        avps += self._reported(asked, plan)
        told = answer_with(self.node, asked, IETF, Result.SUCCESS, avps)
        return _spoilt(told, fault), (IETF, Result.SUCCESS)

    def data(
        self, questions: Questions, asked: Message, plan: Plan | None
    ) -> tuple[bytes, tuple[int, int], str]:
        """Return the answer to a question about a user, its result, and what was asked for."""
        fault, what = plan.fault if plan else None, ""
        try:
            # What it was about is noted also where the answer is another one.
            found = questions.answer(self.users, asked.avps, fault)
            what = found.what
            if (refused := self._refusal(asked, plan)) is not None:
                return *refused, what
        except BadDiameter as error:
            told = answer_fault(self.node, asked, error.fault, str(error))
            return told, (IETF, error.fault), what
        except Refusal as refusal:
            return *self._refused(asked, refusal.vendor, refusal.code), what
        avps = NO_STATE + found.avps + self._reported(asked, plan)
        told = answer_with(self.node, asked, IETF, Result.SUCCESS, avps)
        return told, (IETF, Result.SUCCESS), what

    def is_meant(self, asked: Message) -> bool:
        """Say whether a request is for this host, or for any."""
        with contextlib.suppress(BadDiameter):
            host = asked.avps.get(DESTINATION_HOST)
            return host is None or host.lower() == self.node.host.lower()
        return True

    def saw(self, seen: Seen) -> None:
        """Take note of a request."""
        self.seen.append(seen)
        self.changed.set()
        self._tell(seen)

    def _refusal(self, asked: Message, plan: Plan | None) -> tuple[bytes, tuple[int, int]] | None:
        """Return the result that a fault has in place of an answer."""
        match plan.fault if plan else None:
            case Fault.UNKNOWN_USER:
                return self._refused(asked, TGPP, 5001)
            case Fault.BUSY:
                return self._refused(asked, IETF, Result.TOO_BUSY)
            case Fault.UNDELIVERABLE:
                return self._refused(asked, IETF, Result.UNABLE_TO_DELIVER)
            case Fault.RESULT:
                assert plan is not None  # noqa: S101 - it said so
                return self._refused(asked, plan.vendor, plan.code)
            case Fault.REDIRECT:
                assert plan is not None  # noqa: S101 - it said so
                return self._redirected(asked, plan)
        return None

    def _redirected(self, asked: Message, plan: Plan) -> tuple[bytes, tuple[int, int]]:
        hosts = b"".join(REDIRECT_HOST.push(each) for each in plan.to)
        kept = b""
        if plan.usage:
            kept = REDIRECT_HOST_USAGE.push(plan.usage) + REDIRECT_MAX_CACHE_TIME.push(plan.seconds)
        result = IETF, Result.REDIRECT_INDICATION
        return answer_with(self.node, asked, *result, hosts + kept), result

    def _reported(self, asked: Message, plan: Plan | None) -> bytes:
        """Return the report of an overload, whose number grows whenever it is another one.

        Only who says that it knows of overload control is told.
        """
        if plan is None or plan.fault is not Fault.OVERLOAD:
            return b""
        if not asked.avps.copies(OC_SUPPORTED_FEATURES):
            return b""
        scope = Scope.REALM if plan.realm else Scope.HOST
        now = replace(self._report, scope=scope, percent=plan.percent, seconds=plan.seconds)
        if now != self._report:
            self._report = replace(now, sequence=now.sequence + 1)
        return push_report(self._report)

    def _refused(self, asked: Message, vendor: int, code: int) -> tuple[bytes, tuple[int, int]]:
        return answer_with(self.node, asked, vendor, code, NO_STATE), (vendor, code)


class Link(asyncio.Protocol):
    """One connection of the HSS."""

    def __init__(self, hss: HssServer) -> None:
        self.peer = ""
        """Origin-Host, once capabilities were exchanged."""
        self._hss = hss
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self._is_half_closed = False
        self._asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is one in all but name.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        if self in self._hss.connections:
            self._hss.connections.remove(self)
        self._hss.changed.set()

    def data_received(self, data: bytes) -> None:
        """Take what came; who sends anything else than Diameter is disconnected."""
        try:
            for each in self._splitter.feed(data):
                self._received(each)
        except BadDiameter:
            self.abort()

    def ask(self, command: int, application: int, avps: bytes) -> None:
        """Send a request; its answer goes to `told`."""
        self._asked += 1
        self._send(
            request(command, application, avps, hop_by_hop=self._asked, end_to_end=self._asked)
        )

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def half_close(self) -> None:
        """Say that nothing comes any more, and go on reading."""
        if self._transport is not None and self._transport.can_write_eof():
            self._is_half_closed = True
            self._transport.write_eof()

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not self._is_half_closed:
            transport.write(data)

    def _received(self, data: bytes) -> None:
        hss = self._hss
        header = pull_header(data)
        if hss.plan is not None and hss.plan.fault is Fault.DEAF and self.peer:
            return
        try:
            asked = pull_message(data)
        except BadDiameter as error:
            if header.is_request:
                empty = Message(header, Avps([]))
                self._send(answer_fault(hss.node, empty, error.fault, str(error)))
            return
        if not header.is_request:
            hss.told.append(asked)
            hss.changed.set()
            if header.command == Command.DISCONNECT_PEER and self._transport is not None:
                self._transport.close()
            return
        match header.command:
            case Command.CAPABILITIES_EXCHANGE:
                self._capabilities(asked)
            case _ if not self.peer:
                self.abort()  # Capabilities come first.
            case Command.DEVICE_WATCHDOG:
                hss.watchdogs += 1
                hss.changed.set()
                avps = RESULT_CODE.push(Result.SUCCESS) + push_watchdog(hss.node)
                self._send(answer(header, avps))
            case Command.DISCONNECT_PEER:
                hss.left.append(self.peer)
                avps = RESULT_CODE.push(Result.SUCCESS) + hss.node.push_origin()
                self._send(answer(header, avps))
                hss.changed.set()
            case _ if not hss.is_meant(asked):
                self._send(answer_with(hss.node, asked, IETF, Result.UNABLE_TO_DELIVER))
            case _ if interface := INTERFACES.get((header.application, header.command)):
                self._vector(interface, asked)
            case _ if questions := QUESTIONS.get((header.application, header.command)):
                self._data(questions, asked)
            case _:
                known = header.application in APPLICATIONS
                refusal = Result.COMMAND_UNSUPPORTED if known else Result.APPLICATION_UNSUPPORTED
                self._send(answer_with(hss.node, asked, IETF, refusal))

    def _capabilities(self, asked: Message) -> None:
        assert self._transport is not None  # noqa: S101 - something came over it
        address = self._transport.get_extra_info("sockname")[0]
        self.peer, told = self._hss.capabilities(asked, address)
        self._send(told)
        if self.peer:
            self._hss.connections.append(self)
        else:
            self._transport.close()
        self._hss.changed.set()

    def _data(self, questions: Questions, asked: Message) -> None:
        hss, plan = self._hss, self._hss.fault()
        told, result, what = hss.data(questions, asked, plan)
        self._answered(asked, told, plan, (questions.interface, what, False), result)

    def _vector(self, interface: Interface, asked: Message) -> None:
        hss, plan = self._hss, self._hss.fault()
        told, result = hss.answer(interface, asked, plan)
        self._answered(asked, told, plan, (interface.name, *_wanted(interface, asked)), result)

    def _answered(
        self,
        asked: Message,
        told: bytes,
        plan: Plan | None,
        what: tuple[str, str, bool],
        result: tuple[int, int],
    ) -> None:
        """Note what was asked over which interface, and send the answer or what is in its place."""
        fault = plan.fault if plan else None
        end_to_end, repeated = asked.header.end_to_end, bool(asked.header.flags & RETRANSMITTED)
        said = _priority(asked)
        self._hss.saw(Seen(self.peer, end_to_end, repeated, *what, fault, result, said))
        match fault:
            case Fault.SILENT:
                return
            case Fault.CLOSE:
                self.abort()
            case Fault.HALF_CLOSED:
                self.half_close()
            case Fault.NONSENSE:
                self._send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case Fault.SLOW:
                assert plan is not None  # noqa: S101 - it said so
                asyncio.get_running_loop().call_later(plan.delay_s, self._send, told)
            case Fault.GOOD_BYE:
                self._send(told)
                avps = push_disconnect(self._hss.node, Cause.REBOOTING)
                self.ask(Command.DISCONNECT_PEER, COMMON, avps)
            case _:
                self._send(told)


def _wanted(interface: Interface, asked: Message) -> tuple[str, bool]:
    """Return the scheme that is asked for, and whether it is a resynchronisation."""
    try:
        wanted = interface.pull(asked.avps)
    except BadDiameter:
        return "", False
    return wanted.scheme, bool(wanted.resync)


def _priority(asked: Message) -> int | None:
    """Return the priority that a request says."""
    try:
        return asked.avps.get(DRMP)
    except BadDiameter:
        return None


def _spoilt(told: bytes, fault: Fault | None) -> bytes:
    """Return a message, with what is to be wrong in its header or its end."""
    header = pull_header(told)
    match fault:
        case Fault.OTHER_ID:
            return _with(told, replace(header, hop_by_hop=header.hop_by_hop ^ 0x80000000))
        case Fault.OTHER_END:
            return _with(told, replace(header, end_to_end=header.end_to_end ^ 1))
        case Fault.MALFORMED:
            return _with(told + bytes.fromhex("00000119 000000ff"), header)
    return told


def _with(told: bytes, header: Header) -> bytes:
    return push_message(replace(header, flags=header.flags & ~ERROR), told[HEADER_BYTES:])
