"""A 3GPP AAA server over Diameter: conversations, faults, and a list of who said what."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simgrant.eap import machine
from simgrant.eap.machine import Accept, Action, Aka, FetchVector, Input, SendPacket
from simgrant.eap.packet import (
    GENERAL_FAILURE_BEFORE,
    Code,
    Packet,
    Subtype,
    Variant,
    push_packet,
)
from simgrant.eap.vector import AuthVector
from simgrant.nouns import noun, replace
from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.hss.auc import UNKNOWN_USER, Auc, Refusal
from simgrant.sim.hss.server import HssServer, Link
from simgrant.spec.diameter import IETF, result_name
from simgrant.wire.diameter.avps import EAP_MASTER_SESSION_KEY, SESSION_ID
from simgrant.wire.diameter.base import NO_STATE, Node, Result, answer_fault, answer_with
from simgrant.wire.diameter.eap import APPLICATIONS, Command, EapRequest, pull_request, push_answer
from simgrant.wire.diameter.message import (
    BadDiameter,
    Message,
    pull_avps,
    pull_header,
    pull_message,
)
from simgrant.wire.diameter.vectors import Scheme, Wanted

PRODUCT: Final = "simgrant sim aaa"
_KEPT: Final = 10_000
_MULTI_ROUND: Final = (IETF, 1001)
_SUCCESS: Final = (IETF, Result.SUCCESS)
_REJECTED: Final = (IETF, 4001)
_UNKNOWN_SESSION: Final = (IETF, 5002)
_OTHER_VALUE: Final = (IETF, 5004)
_RESPONSE: Final = 2
_IDENTITY: Final = 1
_EAP_TLS: Final = 13
_OTHER_USER: Final = "0999990000000000@nai.epc.mnc999.mcc999.3gppnetwork.org"
_BASE: Final = machine.Options(session_keys=True)


@noun
class Seen:
    """A DER that came."""

    peer: str
    """Origin-Host of who is connected: the last relay, if there is one."""
    application: int
    session_id: str
    fault: Fault | None
    result: tuple[int, int]
    """Vendor and code."""

    @property
    def shown(self) -> str:
        """Return the result for people."""
        return result_name(*self.result)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can have of it."""
        return {
            "peer": self.peer,
            "application": self.application,
            "session": self.session_id,
            "result": self.shown,
            "fault": self.fault,
        }


@dataclass(slots=True)
class _Talk:
    """A conversation."""

    state: bytes
    options: machine.Options
    aka: Aka | None = None
    """None until it was said who it is."""
    digits: str = ""


@noun
class _Said:
    """The content of an answer."""

    result: tuple[int, int]
    payload: bytes = b""
    state: bytes = b""
    user_name: str = ""
    key: bytes = b""


class AaaServer(HssServer):
    """One AAA server; it listens once it is `up`."""

    def __init__(
        self,
        auc: Auc,
        *,
        host: str = "aaa.epc.mnc001.mcc001.3gppnetwork.org",
        realm: str = "epc.mnc001.mcc001.3gppnetwork.org",
        address: str = "127.0.0.1",
        port: int = 0,
        peers: frozenset[str] | None = None,
        tls: ssl.SSLContext | None = None,
        prime: bool = False,
        note: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """Take ``peers``, the Origin-Hosts that are let in; None = anybody."""
        super().__init__(
            auc, host=host, realm=realm, address=address, port=port, peers=peers, tls=tls
        )
        self.node = Node(host, realm, PRODUCT, tuple(sorted(APPLICATIONS.values())), 1)
        self.wrong: Plan | None = None
        """What is done wrong."""
        self.heard: deque[Seen] = deque(maxlen=_KEPT)
        self._options = replace(_BASE, prime=prime)
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        self._note = note

    def link(self) -> Link:
        """Return a new connection."""
        return AaaLink(self)

    # --- used by connections ---------------------------------------------------------

    def noted(self, seen: Seen) -> None:
        """Take note of a request."""
        self.heard.append(seen)
        self.changed.set()
        self._note(seen)

    def next_plan(self) -> Plan | None:
        """Return what is to be done wrong to a request, and count it."""
        plan = self.wrong
        if plan is not None and plan.times > 0:
            self.wrong = replace(plan, times=plan.times - 1) if plan.times > 1 else None
        return plan

    def hear(self, asked: Message, plan: Plan | None) -> tuple[bytes, str, tuple[int, int]]:
        """Return the answer to a DER, its session and its result."""
        fault = plan.fault if plan else None
        try:
            request = pull_request(asked.avps)
        except BadDiameter as error:
            return answer_fault(self.node, asked, error.fault, str(error)), "", (IETF, error.fault)
        said = self._refused_by(plan) or self._said(request, fault)
        said = self._spoilt(said, request, fault)
        avps = NO_STATE + push_answer(said.payload, state=said.state, user_name=said.user_name)
        if said.key:
            avps += EAP_MASTER_SESSION_KEY.push(said.key)
        if fault is Fault.OTHER_SESSION:
            asked = Message(asked.header, pull_avps(SESSION_ID.push("somebody;1;1")))
        vendor, code = said.result
        return answer_with(self.node, asked, vendor, code, avps), request.session_id, said.result

    def _refused_by(self, plan: Plan | None) -> _Said | None:
        match plan.fault if plan else None:
            case Fault.BUSY:
                return _Said((IETF, Result.TOO_BUSY))
            case Fault.REJECT:
                return _Said(_REJECTED, b"\x04\x01\x00\x04")
            case Fault.RESULT:
                assert plan is not None  # noqa: S101 - it said so
                return _Said((plan.vendor, plan.code))
        return None

    def _said(self, request: EapRequest, fault: Fault | None) -> _Said:
        """Carry a conversation on."""
        payload = request.payload
        talk = self._talks.get(request.session_id)
        is_identity = len(payload) > 4 and payload[0] == _RESPONSE and payload[4] == _IDENTITY
        if talk is None:
            if not is_identity:
                return _Said(_UNKNOWN_SESSION)
            rounds = fault is Fault.IDENTITY_ROUNDS
            options = replace(self._options, identity_rounds=rounds, ask_identity=rounds)
            talk = self._talks[request.session_id] = _Talk(b"", options)
            if len(self._talks) > _KEPT:
                self._talks.popitem(last=False)
            if rounds:
                return self._more(talk, bytes((1, payload[1] + 1 & 0xFF, 0, 5, _IDENTITY)))
        elif (request.state, request.host) != (talk.state, self.node.host):
            return _Said(_OTHER_VALUE)
        if talk.aka is None:
            if not is_identity:
                return _Said(_REJECTED, b"\x04" + payload[1:2] + b"\x00\x04")
            identity = payload[5:]
            talk.aka = Aka.new(first_id=payload[1] + 1 & 0xFF)
            talk.digits = identity.partition(b"@")[0][1:].decode("ascii", "replace")
            return self._run(request.session_id, talk, machine.IdentityGiven(identity), fault)
        return self._run(request.session_id, talk, machine.PacketReceived(payload), fault)

    def _run(self, session: str, talk: _Talk, given: Input, fault: Fault | None) -> _Said:
        assert talk.aka is not None  # noqa: S101 - it was made before
        talk.aka, action = machine.step(talk.aka, given, talk.options)
        if isinstance(action, FetchVector):
            try:
                vector = self._vector(talk, action, wrong=fault is Fault.WRONG_VECTOR)
            except Refusal as refusal:
                del self._talks[session]
                no = (refusal.vendor, refusal.code)
                return _Said(no if no == UNKNOWN_USER else _REJECTED)
            talk.aka, action = machine.step(talk.aka, machine.VectorFetched(vector), talk.options)
        if isinstance(action, SendPacket):
            return self._more(talk, action.data)
        return self._ended(session, talk, action)

    def _ended(self, session: str, talk: _Talk, action: Action) -> _Said:
        del self._talks[session]
        assert talk.aka is not None  # noqa: S101 - it was made before
        last = bytes((talk.aka.eap_id, 0, 4))
        if isinstance(action, Accept):
            key = action.keys.msk if action.keys else b""
            return _Said(_SUCCESS, b"\x03" + last, b"", action.identity.decode(), key)
        return _Said(_REJECTED, b"\x04" + last)

    def _more(self, talk: _Talk, packet: bytes) -> _Said:
        talk.state = os.urandom(16)
        return _Said(_MULTI_ROUND, packet, talk.state)

    def _vector(self, talk: _Talk, action: FetchVector, *, wrong: bool) -> AuthVector:
        prime = action.variant is Variant.AKA_PRIME
        resync = action.resync
        wanted = Wanted(
            talk.digits,
            Scheme.AKA_PRIME if prime else Scheme.AKA,
            resync.rand + resync.auts if resync else b"",
            talk.options.network_name.decode() if prime else "",
        )
        item = self.auc.item(wanted, wrong=wrong)
        return AuthVector(item.rand, item.autn, item.xres, item.ck, item.ik, derived=prime)

    def _spoilt(self, said: _Said, request: EapRequest, fault: Fault | None) -> _Said:
        """Return an answer with what is to be wrong in it."""
        following = request.payload[1] + 1 & 0xFF if len(request.payload) > 1 else 0
        match fault:
            case Fault.ENDLESS_IDENTITY:
                return _Said(
                    _MULTI_ROUND, bytes((1, following, 0, 5, _IDENTITY)), said.state or b"again"
                )
            case Fault.OTHER_METHOD:
                return replace(said, payload=bytes((1, following, 0, 6, _EAP_TLS, 0x20)))
            case Fault.NOTIFICATION:
                packet = Packet(
                    code=Code.REQUEST,
                    identifier=following,
                    variant=Variant.AKA,
                    subtype=Subtype.NOTIFICATION,
                    notification=GENERAL_FAILURE_BEFORE,
                )
                return replace(said, payload=push_packet(packet))
            case Fault.WRONG_MAC if said.result == _MULTI_ROUND:
                last = said.payload[-1] ^ 1
                return replace(said, payload=said.payload[:-1] + bytes((last,)))
            case Fault.NO_PAYLOAD:
                return replace(said, payload=b"")
            case Fault.GARBAGE:
                return replace(said, payload=b"\x01\x00\x00")
            case Fault.SUCCESS:
                return _Said(_SUCCESS, bytes((3, following, 0, 4)))
            case Fault.OTHER_USER if said.result == _SUCCESS:
                return replace(said, user_name=_OTHER_USER)
            case Fault.LONG_STATE:
                return replace(said, state=bytes(4096))
        return said


class AaaLink(Link):
    """One connection of the AAA server."""

    def __init__(self, server: AaaServer) -> None:
        super().__init__(server)
        self._server = server

    def _received(self, data: bytes) -> None:
        header = pull_header(data)
        if not (self.peer and header.is_request and header.command == Command.DIAMETER_EAP):
            super()._received(data)
            return
        server, plan = self._server, self._server.next_plan()
        fault = plan.fault if plan else None
        asked = pull_message(data)
        told, session, result = server.hear(asked, plan)
        server.noted(Seen(self.peer, header.application, session, fault, result))
        match fault:
            case Fault.SILENT:
                return
            case Fault.CLOSE:
                self.abort()
            case Fault.NONSENSE:
                self._send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case Fault.SLOW:
                assert plan is not None  # noqa: S101 - it said so
                asyncio.get_running_loop().call_later(plan.delay_s, self._send, told)
            case _:
                self._send(told)
