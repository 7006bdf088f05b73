"""One HLR that speaks GSUP: connected to, kept alive, asked, and connected to anew when it is lost.

GSUP has no transaction identifier of its own. OsmoHLR repeats the session identifier of a request
in its answer, so each request has one, and answers may come in any order. An HLR that does not
repeat it is taken to answer the requests about one IMSI in the order in which they came.

OsmoHLR answers to the name that a connection gave, which is that of whoever gave it first: another
with the same name has its pings answered and nothing else. So a connection is good for requests
once a first one was answered, about an IMSI that is none.
"""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import field
from typing import Final, Protocol, cast

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.retry import Breaker, RetryRules, backoff
from simgrant.nouns import Word, named_noun, noun
from simgrant.ports.clock import Clock
from simgrant.wire.gsup import (
    CCM,
    PORT,
    AuthInfoAnswer,
    AuthInfoRequest,
    BadGsup,
    Cause,
    Ccm,
    Frame,
    Splitter,
    is_answer,
    pull_answer,
    push_ccm,
    push_gsup,
    push_identity,
    push_request,
)

_EARLY_S: Final = 0.02
"""So long before its deadline a request is given up, so that who asked hears from us why."""
_NOBODY: Final = "00000"
"""Too short for an IMSI: refused before anybody is looked up, or made on demand."""
_CAUSES: Final = frozenset(Cause)


@named_noun
class HlrConfig:
    """Who is connected to, and who we are there."""

    name: str
    """What the operator calls it: in metrics, logs and errors."""
    address: str
    """Where it listens: a name or an IP address."""
    port: int = PORT
    unit_name: str
    """Our name there. It has to be nobody else's: answers go by it."""
    window: int = 500
    """Requests under way at a time."""
    connect_timeout_s: float = 5.0
    """Seconds for TCP and the exchange of identities together."""
    ping_s: float = 20.0
    """Seconds between two questions whether it is there, each to be answered before the next."""
    retry: RetryRules = RetryRules(first_wait_s=1.0, longest_wait_s=30.0)
    """The pauses before it is connected to again, and when it is left alone."""


class HlrState(Word):
    """Whether an HLR can be asked."""

    CLOSED = "closed"
    OKAY = "okay"


class HlrWatcher(Protocol):
    """Who is told what becomes of an HLR and of requests."""

    def changed(self, hlr: str, state: HlrState, reason: str) -> None:
        """Hear of an HLR in a new state."""

    def answered(self, hlr: str, result: str, seconds: float) -> None:
        """Hear of a request: ``vectors``, the number of a cause, ``other``, ``late``, ``lost`` or
        ``malformed``.
        """


class Hlr:
    """An HLR. ``run`` keeps it connected until it is cancelled. Of one event loop."""

    def __init__(self, config: HlrConfig, *, watcher: HlrWatcher, clock: Clock) -> None:
        self.config = config
        self._watcher = watcher
        self._clock = clock
        # Jitter has no need of a good source of chance.
        self._chance = random.Random().random  # noqa: S311
        self._breaker = Breaker(config.retry, self._chance)
        self._connection: _Connection | None = None
        self._tried = asyncio.Event()
        """Set once the first attempt to connect has ended, well or badly."""
        self._told = (HlrState.CLOSED, "")
        self._is_leaving = False

    @property
    def state(self) -> HlrState:
        """Return whether it can be asked."""
        return HlrState.CLOSED if self._connection is None else HlrState.OKAY

    # --- requests --------------------------------------------------------------------

    async def ask(
        self, imsi: str, *, separated: bool, rand: bytes, auts: bytes, deadline: float
    ) -> AuthInfoAnswer:
        """Return the answer of the HLR by ``deadline`` (seconds of the monotonic clock).

        Errors: PeerUnavailable (it cannot be asked; ``retry_after`` where it is known),
        PeerTimeout, PeerMisbehaved (what came is no answer to it). An answer that says no is one.
        """
        name = self.config.name
        deadline -= _EARLY_S
        connection = await self._ready(deadline)
        began = self._clock.monotonic()
        told = await connection.ask(
            imsi, separated=separated, rand=rand, auts=auts, within=deadline - began
        )
        now = self._clock.monotonic()
        if isinstance(told, AuthInfoAnswer):
            self._breaker.succeeded()
            self._watcher.answered(name, _label(told), now - began)
            if told.imsi != imsi:
                raise PeerMisbehaved(
                    "hlr_other_user", for_operator=f"{name}: its answer is about another user"
                )
            return told
        self._watcher.answered(name, told.value, now - began)
        if told is _Ended.LOST:
            # That it is not connected says enough: the breaker is for one who is, and fails.
            raise PeerUnavailable(
                "hlr_lost", for_operator=f"{name}: the connection was lost before the answer"
            )
        self._breaker.failed(now)
        if told is _Ended.MALFORMED:
            raise PeerMisbehaved("hlr_malformed", for_operator=f"{name}: its answer is no GSUP")
        raise PeerTimeout("hlr_timeout", for_operator=f"{name}: no answer in time")

    async def _ready(self, deadline: float) -> _Connection:
        """Return the connection to ask over; at the start, wait until there is one or is none."""
        name = self.config.name
        if self._connection is None and not self._tried.is_set():
            left = deadline - self._clock.monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    await self._tried.wait()
            except TimeoutError:
                pass
        connection = self._connection
        if connection is None:
            raise PeerUnavailable("hlr_not_connected", for_operator=f"{name}: not connected")
        now = self._clock.monotonic()
        if now >= deadline:
            raise PeerTimeout("hlr_timeout", for_operator=f"{name}: no time left to ask")
        if connection.in_flight >= self.config.window or connection.is_full:
            raise PeerUnavailable(
                "hlr_window_full", for_operator=f"{name}: too many requests under way"
            )
        if pause := self._breaker.wait(now):
            raise PeerUnavailable(
                "circuit_open",
                for_operator=f"{name}: left alone after failures in a row",
                retry_after=max(1, math.ceil(pause)),
            )
        return connection

    # --- the connection --------------------------------------------------------------

    async def run(self) -> None:
        """Keep the HLR connected; when cancelled, close."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                await self._once()
                # One that ends soon again and again is left alone for longer, too.
                lived = loop.time() - began
                failures = 1 if lived > self.config.retry.longest_wait_s else failures + 1
                await asyncio.sleep(backoff(failures, self.config.retry, chance=self._chance()))
        finally:
            self._is_leaving = True
            self._tried.set()

    async def _once(self) -> None:
        """Connect, and stay connected."""
        connection = _Connection(self.config)
        try:
            try:
                async with asyncio.timeout(self.config.connect_timeout_s):
                    await asyncio.get_running_loop().create_connection(
                        lambda: connection, self.config.address, self.config.port
                    )
                    await connection.known.wait()
            except TimeoutError:
                connection.close(connection.lacks)
            except OSError as error:
                connection.reason = error.strerror or "no connection"
            except UnicodeError:
                connection.reason = "its address is no name"
            else:
                if not connection.over.is_set():
                    self._connection = connection
                    self._tell(HlrState.OKAY, "")
                    self._tried.set()
                    await connection.over.wait()
        finally:
            self._connection = None
            connection.close("closed by us")
        self._tell(HlrState.CLOSED, connection.reason)
        self._tried.set()

    def _tell(self, state: HlrState, reason: str) -> None:
        """Say what became of it; the same thing again and again is said once."""
        if (state, reason) != self._told and not self._is_leaving:
            self._told = (state, reason)
            self._watcher.changed(self.config.name, state, reason)


class _Ended(Word):
    """Why there is no answer."""

    LATE = "late"
    LOST = "lost"
    MALFORMED = "malformed"


_Told = AuthInfoAnswer | _Ended


@noun
class _Waiting:
    """A request that has no answer yet."""

    imsi: str = field(repr=False)
    future: asyncio.Future[_Told] = field(repr=False)


class _Connection(asyncio.Protocol):
    """One connection from its first byte to its last. A request costs a future and a timer."""

    def __init__(self, config: HlrConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter()
        self._waiting: dict[int, _Waiting] = {}
        # Any start will do, and a new one each time keeps late answers of old connections apart.
        self._session = random.getrandbits(32)
        self._transport: asyncio.Transport | None = None
        self._ping: asyncio.TimerHandle | None = None
        self._heard = True
        """Whether anything came since it was last asked whether it is there."""
        self.lacks = "no connection"
        """What it cannot go on without at the moment."""
        self.reason = ""
        self.is_full = False
        """Whether the HLR does not read."""
        self.known = asyncio.Event()
        """Set once the HLR has answered to our name, or the connection is over."""
        self.over = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Return how many requests wait for their answers."""
        return len(self._waiting)

    async def ask(
        self, imsi: str, *, separated: bool, rand: bytes, auts: bytes, within: float
    ) -> _Told:
        """Return the answer, or why there is none after so many seconds at most."""
        if self._transport is None or self.over.is_set():
            return _Ended.LOST
        self._session = session = (self._session + 1) & 0xFFFFFFFF
        future: asyncio.Future[_Told] = self._loop.create_future()
        self._waiting[session] = _Waiting(imsi, future)
        timer = self._loop.call_later(max(0.0, within), _settle, future, _Ended.LATE)
        wanted = AuthInfoRequest(imsi, session, separated, rand, auts)
        try:
            self._transport.write(push_gsup(push_request(wanted)))
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(session, None)

    def close(self, reason: str) -> None:
        """End the connection at once."""
        self.reason = self.reason or reason
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ----------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the HLR asks first."""
        # uvloop's is one in all but name.
        self._transport = cast("asyncio.Transport", transport)
        self.lacks = "no identity asked for"
        if self.reason:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._heard = True
        try:
            for frame in self._splitter.feed(data):
                self._received(frame)
        except BadGsup as error:
            # Nothing after it can be told apart.
            self.close(f"not GSUP: {error}")

    def pause_writing(self) -> None:
        """Send no more requests: the HLR does not read."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self.is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and tell everybody."""
        if self._ping is not None:
            self._ping.cancel()
        for waiting in self._waiting.values():
            _settle(waiting.future, _Ended.LOST)
        said = getattr(exc, "strerror", None) or (type(exc).__name__ if exc else "")
        self.reason = self.reason or (f"lost: {said}" if said else "closed by the HLR")
        self.over.set()
        self.known.set()

    # --- what comes ------------------------------------------------------------------

    def _received(self, frame: Frame) -> None:
        if frame.stream == CCM:
            self._ccm(frame.data[:1])
        elif (message := frame.gsup) is not None and is_answer(message):
            self._answered(message)
        # What else an HLR tells is about subscribers that are located with us: there is none.

    def _ccm(self, kind: bytes) -> None:
        if not kind:
            return
        match kind[0]:
            case Ccm.PING:
                self._send(push_ccm(Ccm.PONG))
            case Ccm.IDENTITY_REQUEST:
                self._send(push_identity(self._config.unit_name))
                self._send(push_gsup(push_request(AuthInfoRequest(_NOBODY, None))))
                self.lacks = "no answer; is unit_name that of another connection, too?"
                self._watch()

    def _watch(self) -> None:
        """Ask whether the HLR is there, and close if nothing came since that was last asked.

        Anything will do: behind hundreds of requests the answer to a ping may take its time.
        """
        if self._ping is not None:
            self._ping.cancel()
        if not self._heard:
            self.close("it does not answer pings")
            return
        self._heard = False
        self._send(push_ccm(Ccm.PING))
        self._ping = self._loop.call_later(self._config.ping_s, self._watch)

    def _answered(self, message: bytes) -> None:
        try:
            told: _Told = pull_answer(message)
        except BadGsup:
            # Whose it is cannot be said: frames are whole, but what is in them is not.
            told = _Ended.MALFORMED
        if isinstance(told, AuthInfoAnswer) and told.imsi == _NOBODY:
            self.known.set()
        elif isinstance(told, AuthInfoAnswer):
            waiting = self._whose(told)
            if waiting is not None:
                _settle(waiting.future, told)
        elif len(self._waiting) == 1:
            _settle(next(iter(self._waiting.values())).future, told)

    def _whose(self, told: AuthInfoAnswer) -> _Waiting | None:
        """Return who waits for it; None where nobody does: it is late, or was never asked for."""
        if told.session is not None:
            return self._waiting.get(told.session)
        return next(
            (
                each
                for each in self._waiting.values()
                if each.imsi == told.imsi and not each.future.done()
            ),
            None,
        )

    def _send(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self.is_full:
            # It asks and does not read what it is told: answers would pile up.
            self.close("it does not read")
        else:
            self._transport.write(data)


def _settle(future: asyncio.Future[_Told], told: _Told) -> None:
    if not future.done():
        future.set_result(told)


def _label(told: AuthInfoAnswer) -> str:
    """Return a result out of a closed set, whatever an HLR makes up."""
    if told.cause is None:
        return "vectors"
    return str(told.cause) if told.cause in _CAUSES else "other"
