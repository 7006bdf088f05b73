"""An HLR over GSUP: connections, vectors, faults, and a list of who asked what."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any, Final, cast

from simgrant.eap.algorithm import open_auts
from simgrant.nouns import noun, replace
from simgrant.sim.hlr.faults import Fault, Plan
from simgrant.sim.sims import Sim
from simgrant.wire.gsup import (
    CCM,
    MOST_VECTORS,
    AuthInfoAnswer,
    AuthInfoRequest,
    BadGsup,
    Cause,
    Ccm,
    Frame,
    Quintuple,
    Splitter,
    pull_identity,
    pull_request,
    push_answer,
    push_ccm,
    push_gsup,
)

_KEPT: Final = 10_000
_IND_BITS: Final = 5
_RAND_BYTES: Final = 16
_SHORTEST_IMSI: Final = 6
_WHAT_WE_ASK: Final = bytes.fromhex("01080107010201030104010501010100")
"""What OsmoHLR wants to know of who connects: items of IPA, each with its length before it."""


@noun
class Seen:
    """A SendAuthInfo request that came."""

    peer: str
    """The name that the connection gave."""
    separated: bool
    resync: bool
    fault: Fault | None
    cause: int | None
    """None = there were vectors."""
    imsi: str = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can have of it, without the IMSI."""
        return {
            "peer": self.peer,
            "separated": self.separated,
            "resync": self.resync,
            "cause": self.cause,
            "fault": self.fault,
        }


class HlrServer:
    """One HLR; it listens once it is `up`."""

    def __init__(
        self,
        sims: Iterable[Sim],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        tell: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        self.address = address
        self.port = port
        self.plan: Plan | None = None
        self.seen: deque[Seen] = deque(maxlen=_KEPT)
        self.links: list[Link] = []
        self.pings = 0
        self.pongs = 0
        self.changed = asyncio.Event()
        """Set whenever something came; for tests, which clear it."""
        self._sims = {sim.imsi.digits: sim for sim in sims}
        self._sqn: dict[str, int] = {}
        self._tell = tell
        self._server: asyncio.Server | None = None

    @property
    def names(self) -> list[str]:
        """Return the names that connections gave."""
        return [link.name for link in self.links if link.name]

    async def up(self) -> None:
        """Listen; the port is known afterwards."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Link(self), self.address, self.port
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
        for link in tuple(self.links):
            link.abort()

    # --- used by connections ---------------------------------------------------------

    def fault(self) -> Plan | None:
        """Return what is to be done wrong to a request, and count it."""
        plan = self.plan
        if plan is not None and plan.times > 0:
            self.plan = replace(plan, times=plan.times - 1) if plan.times > 1 else None
        return plan

    def answer(self, asked: AuthInfoRequest, plan: Plan | None) -> AuthInfoAnswer:
        """Return vectors or a cause, as OsmoHLR does it."""
        sim = self._sims.get(asked.imsi)
        fault = plan.fault if plan else None
        if plan is not None and fault is Fault.CAUSE:
            return AuthInfoAnswer(asked.imsi, asked.session, cause=plan.cause)
        if sim is None or not self._taken_over(sim, asked):
            return AuthInfoAnswer(asked.imsi, asked.session, cause=Cause.IMSI_UNKNOWN)
        keys = sim.keys(wrong=fault is Fault.WRONG_VECTOR)
        separated = asked.separated and fault is not Fault.NO_SEPARATION
        amf = b"\x80\x00" if separated else b"\x00\x00"
        vectors = []
        for _ in range(MOST_VECTORS):
            self._sqn[asked.imsi] = sqn = self._sqn.get(asked.imsi, sim.sqn) + (1 << _IND_BITS)
            made = keys.generate(os.urandom(_RAND_BYTES), sqn=sqn, amf=amf)
            vectors.append(Quintuple(made.rand, made.autn, made.xres, made.ck, made.ik))
        return AuthInfoAnswer(asked.imsi, asked.session, tuple(vectors))

    def hears(self, link: Link) -> bool:
        """Whether a connection is the first with its name: OsmoHLR answers to that one alone."""
        return next(each for each in self.links if each.name == link.name) is link

    def saw(self, seen: Seen) -> None:
        """Take note of a request."""
        self.seen.append(seen)
        self.changed.set()
        self._tell(seen)

    def _taken_over(self, sim: Sim, asked: AuthInfoRequest) -> bool:
        """Take over the SIM's own sequence number, if there is one; say whether it is the SIM's."""
        if not asked.auts:
            return True
        sqn = open_auts(sim.keys(), asked.rand, asked.auts)
        if sqn is not None:
            self._sqn[asked.imsi] = sqn
        return sqn is not None


class Link(asyncio.Protocol):
    """One connection of the HLR."""

    def __init__(self, hlr: HlrServer) -> None:
        self.name = ""
        self._hlr = hlr
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask who it is."""
        # uvloop's is one in all but name.
        self._transport = cast("asyncio.Transport", transport)
        self._hlr.links.append(self)
        if not self._is_deaf:
            self.send(push_ccm(Ccm.IDENTITY_REQUEST, _WHAT_WE_ASK))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        self._hlr.links.remove(self)
        self._hlr.changed.set()

    def data_received(self, data: bytes) -> None:
        """Take what came; who sends what is no GSUP is disconnected."""
        try:
            for frame in self._splitter.feed(data):
                self._received(frame)
        except BadGsup:
            self.abort()

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def _is_deaf(self) -> bool:
        return self._hlr.plan is not None and self._hlr.plan.fault is Fault.DEAF

    def _received(self, frame: Frame) -> None:
        if self._is_deaf:
            return
        if frame.stream == CCM:
            self._ccm(frame.data)
        elif (message := frame.gsup) is not None:
            self._asked(pull_request(message))

    def _ccm(self, data: bytes) -> None:
        match data[0] if data else None:
            case Ccm.PING:
                self._hlr.pings += 1
                self.send(push_ccm(Ccm.PONG))
            case Ccm.PONG:
                self._hlr.pongs += 1
            case Ccm.IDENTITY_RESPONSE:
                self.name = pull_identity(data[1:])
        self._hlr.changed.set()

    def _asked(self, asked: AuthInfoRequest) -> None:
        hlr = self._hlr
        if not hlr.hears(self):
            return
        if len(asked.imsi) < _SHORTEST_IMSI:
            none = AuthInfoAnswer(asked.imsi, asked.session, cause=Cause.INVALID_MANDATORY)
            self.send(push_gsup(push_answer(none)))
            return
        plan = hlr.fault()
        fault = plan.fault if plan else None
        told = hlr.answer(asked, plan)
        hlr.saw(Seen(self.name, asked.separated, bool(asked.auts), fault, told.cause, asked.imsi))
        data = push_gsup(push_answer(_changed(told, fault)))
        match fault:
            case Fault.SILENT:
                return
            case Fault.CLOSE:
                self.abort()
            case Fault.SLOW:
                assert plan is not None  # noqa: S101 - it said so
                asyncio.get_running_loop().call_later(plan.delay_s, self.send, data)
            case Fault.TOO_LONG:
                self.send(b"\xff\xff" + data[2:])
            case Fault.MALFORMED:
                self.send(push_gsup(push_answer(told)[:-1]))
            case _:
                self.send(data)


def _changed(told: AuthInfoAnswer, fault: Fault | None) -> AuthInfoAnswer:
    """Return an answer with what is to be wrong in it."""
    match fault:
        case Fault.GSM_ONLY:
            return _each(told, lambda it: replace(it, autn=b"", ck=b"", ik=b"", res=b""))
        case Fault.SHORT_AUTN:
            return _each(told, lambda it: replace(it, autn=it.autn[:-1]))
        case Fault.NO_VECTORS:
            return replace(told, vectors=())
        case Fault.OTHER_USER:
            return replace(told, imsi="999990000000000")
        case Fault.OTHER_SESSION:
            return replace(told, session=(told.session or 0) ^ 0x80000000)
        case Fault.NO_SESSION:
            return replace(told, session=None)
    return told


def _each(told: AuthInfoAnswer, change: Callable[[Quintuple], Quintuple]) -> AuthInfoAnswer:
    return replace(told, vectors=tuple(change(each) for each in told.vectors))
