"""One Diameter peer: its connection is made, watched, and made anew whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from simgrant.links.diameter import sctp
from simgrant.links.diameter.connection import Connection, Ended, Handlers, Hooks
from simgrant.links.diameter.watchdog import Act, Health, Watchdog, WatchdogRules
from simgrant.links.retry import RetryRules, backoff
from simgrant.nouns import Word, named_noun
from simgrant.spec.diameter import IETF, result_name
from simgrant.wire.diameter.avps import ERROR_MESSAGE
from simgrant.wire.diameter.base import Cause, Node, Result, pull_capabilities, pull_result
from simgrant.wire.diameter.message import BadDiameter, pull_message
from simgrant.wire.diameter.overload import Report

_GOOD_BYE_S: Final = 1.0
_MOST_TOLD: Final = 200
"""Letters of what a peer says that are repeated to the operator."""


@named_noun
class TlsFiles:
    """What TLS takes; read anew for each connection, so that renewed ones are used."""

    ca: Path | None = None
    """PEM file of who signs the peer's certificate; None = the system's authorities."""
    certificate: Path | None = None
    """PEM file of our chain, with ``key``."""
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the client's side; OSError where a file is no use."""
        context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


class Over(Word):
    """What a connection is made over."""

    TCP = "tcp"
    SCTP = "sctp"


@named_noun
class PeerConfig:
    """Who is connected to, and how."""

    name: str
    """What the operator calls it: in metrics, logs and errors."""
    host: str
    """Its Origin-Host, and the name in its certificate."""
    address: str
    """Where it listens: a name or an IP address."""
    port: int = 3868
    over: Over = Over.TCP
    priority: int = 1
    """Those with the lowest number are asked first."""
    weight: int = 1
    """Share of requests among those of one priority."""
    tls: TlsFiles | None = None
    """None = in clear, as always over SCTP."""
    window: int = 500
    """Requests under way at a time."""
    connect_timeout_s: float = 5.0
    """Seconds for TCP or SCTP, TLS and the exchange of capabilities together."""
    watchdog: WatchdogRules = WatchdogRules()
    retry: RetryRules = RetryRules(first_wait_s=1.0, longest_wait_s=30.0)
    """The pauses before it is connected to again."""


class State(Word):
    """What a peer is good for."""

    CLOSED = "closed"
    OKAY = "okay"
    SUSPECT = "suspect"
    DOUBTFUL = "doubtful"


class Watcher(Protocol):
    """Who is told what becomes of peers and requests."""

    def changed(self, peer: str, state: State, reason: str) -> None:
        """Hear of a peer in a new state."""

    def answered(self, peer: str, result: str, seconds: float) -> None:
        """Hear of a request: its result's number, with ``e`` before it where it is of 3GPP, or
        ``other``, ``late``, ``lost``, ``malformed``.
        """

    def overloaded(self, hss: str, whose: str, report: Report) -> None:
        """Hear that a host or realm of an HSS has too much, or no longer so."""

    def spared(self, hss: str) -> None:
        """Hear of a request that was not sent since an HSS has too much."""


class Peer:
    """A peer. ``run`` keeps it connected until it is cancelled."""

    def __init__(
        self,
        config: PeerConfig,
        node: Node,
        handlers: Handlers,
        *,
        watcher: Watcher,
        end_to_end: Callable[[], int],
    ) -> None:
        self.config = config
        self._node = node
        self._handlers = handlers
        self._watcher = watcher
        self._end_to_end = end_to_end
        # Jitter has no need of a good source of chance.
        self._chance = random.Random().random  # noqa: S311
        self._connection: Connection | None = None
        """The open one."""
        self._watchdog: Watchdog | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._told = (State.CLOSED, "")
        self._is_leaving = False
        self._lost = False
        """Whether the last connection ended without a good-bye."""
        self.tried = asyncio.Event()
        """Set once the first attempt has ended, well or badly."""

    @property
    def name(self) -> str:
        """Return what the operator calls it."""
        return self.config.name

    @property
    def connection(self) -> Connection | None:
        """Return the connection to ask over; None where nothing may be asked now."""
        found = self._connection
        if found is None or not found.takes_requests or found.in_flight >= self.config.window:
            return None
        return found

    @property
    def is_full(self) -> bool:
        """Whether it is connected and has enough to do."""
        found = self._connection
        return found is not None and found.in_flight >= self.config.window

    @property
    def state(self) -> State:
        """Return what it is good for."""
        if self._connection is None or self._watchdog is None:
            return State.CLOSED
        return State(self._watchdog.health.value)

    async def run(self) -> None:
        """Keep the peer connected; when cancelled, say good-bye to it."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                cause = await self._once()
                self.tried.set()
                # One that ends soon again and again is left alone for longer, too.
                lived = loop.time() - began
                failures = 1 if lived > self.config.retry.longest_wait_s else failures + 1
                if cause in (Cause.BUSY, Cause.DO_NOT_WANT_TO_TALK_TO_YOU):
                    failures = 30
                await asyncio.sleep(backoff(failures, self.config.retry, chance=self._chance()))
        finally:
            self.tried.set()
            await self._leave()

    async def _once(self) -> int | None:
        """Connect and stay connected; return the cause that the peer gave at its end, if any."""
        hooks = Hooks(self._heard, self._proved, self._ended)
        try:
            connection = await self._connected(hooks)
        except _Refused as refused:
            self._tell(State.CLOSED, str(refused))
            return None
        self._over.clear()
        self._connection = connection
        loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(
            self.config.watchdog, doubtful=self._lost, now=loop.time(), chance=self._chance
        )
        self._tick()
        self._tell(self.state, "")
        self.tried.set()
        if connection.is_over:
            self._ended("closed by the peer")
        await self._over.wait()
        self._lost = connection.cause is None
        return connection.cause

    async def _connected(self, hooks: Hooks) -> Connection:
        """Return a connection over which capabilities were exchanged; _Refused."""
        config = self.config
        made: list[Connection] = []
        loop = asyncio.get_running_loop()

        def make() -> Connection:
            made.append(Connection(self._node, self._handlers, hooks))
            return made[-1]

        try:
            async with asyncio.timeout(config.connect_timeout_s):
                if config.over is Over.SCTP:
                    await sctp.connect(make, config.address, config.port)
                else:
                    context = config.tls.context() if config.tls else None
                    await loop.create_connection(
                        make,
                        config.address,
                        config.port,
                        ssl=context,
                        server_hostname=config.host if context else None,
                    )
                connection = made[-1]
                told = await connection.exchange_capabilities(
                    end_to_end=self._end_to_end(), within=config.connect_timeout_s
                )
            if isinstance(told, Ended):
                raise _Refused("no answer to our capabilities; does it know our Origin-Host?")
            self._check(told)
        except BaseException as error:
            for each in made:
                each.close("not usable")
            if isinstance(error, TimeoutError):
                raise _Refused("no connection in time") from None
            if isinstance(error, ssl.SSLError):
                raise _Refused(f"TLS: {error.reason or 'refused'}") from None
            if isinstance(error, OSError):
                where = f"{error.filename}: " if error.filename else ""
                raise _Refused(f"{where}{error.strerror or 'no connection'}") from None
            if isinstance(error, UnicodeError):
                raise _Refused("its address is no name") from None
            raise
        return connection

    def _check(self, data: bytes) -> None:
        """Raise _Refused unless a CEA is that of the peer we mean, and it is good for us."""
        try:
            told = pull_message(data)
            vendor, code = pull_result(told.avps)
            if (vendor, code) != (IETF, Result.SUCCESS):
                said = (told.avps.get(ERROR_MESSAGE) or "")[:_MOST_TOLD]
                name = result_name(vendor, code)
                raise _Refused(f"it answers {name}{f': {said!r}' if said else ''}")
            found = pull_capabilities(told.avps)
        except BadDiameter as error:
            raise _Refused(f"its capabilities are malformed: {error}") from None
        if found.host.lower().rstrip(".") != self.config.host.lower().rstrip("."):
            raise _Refused(f"it is {found.host}, not {self.config.host}")
        if not found.shares(self._node.applications):
            raise _Refused("it has no application in common with us")

    # --- the watchdog ----------------------------------------------------------------

    def _heard(self) -> None:
        watchdog = self._watchdog
        if watchdog is not None and watchdog.heard(asyncio.get_running_loop().time()):
            self._tell(self.state, "it answers again")

    def _proved(self) -> None:
        watchdog = self._watchdog
        if watchdog is None:
            return
        if watchdog.answered(asyncio.get_running_loop().time()):
            self._tell(self.state, "")
        self._tick_at(watchdog.due)

    def _tick(self) -> None:
        watchdog, connection = self._watchdog, self._connection
        if watchdog is None or connection is None:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= watchdog.due:
            before = watchdog.health
            act = watchdog.tick(now)
            if act is Act.ASK:
                connection.ask_watchdog(end_to_end=self._end_to_end())
            elif act is Act.CLOSE:
                connection.close("it does not answer the watchdog")
                return
            elif watchdog.health is Health.SUSPECT and before is not Health.SUSPECT:
                self._tell(self.state, "it does not answer the watchdog")
        self._tick_at(watchdog.due)

    def _tick_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._tick)

    # --- the end ---------------------------------------------------------------------

    def _ended(self, reason: str) -> None:
        connection = self._connection
        if connection is None or not connection.is_over:
            return  # It never was in use.
        self._connection = self._watchdog = None
        if self._timer is not None:
            self._timer.cancel()
        self._tell(State.CLOSED, "it said good-bye" if connection.cause is not None else reason)
        self._over.set()

    async def _leave(self) -> None:
        self._is_leaving = True
        connection = self._connection
        if connection is not None and not connection.is_over:
            with contextlib.suppress(asyncio.CancelledError):
                await connection.say_good_bye(end_to_end=self._end_to_end(), within=_GOOD_BYE_S)
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self, state: State, reason: str) -> None:
        """Say what became of the peer; the same thing again and again is said once.

        Of our own leaving nobody needs to hear.
        """
        if (state, reason) != self._told and not self._is_leaving:
            self._told = (state, reason)
            self._watcher.changed(self.name, state, reason)


class _Refused(Exception):
    """There is no usable connection; the text is for the operator."""
