"""Our Diameter node: whom a request is sent to, and who gets it next if that one does not answer.

A request keeps its End-to-End identifier wherever it goes. Sent again without any answer to the
first, it has the T flag (RFC 6733 §3, §5.5.4); sent elsewhere since a peer was too busy or could
not deliver it, it has not.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import field
from typing import Final

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.diameter.connection import Connection, Ended
from simgrant.links.diameter.events import Nobody, Tells, answering
from simgrant.links.diameter.peer import Peer, PeerConfig, State, Watcher
from simgrant.links.retry import Breaker, RetryBudget, RetryRules
from simgrant.nouns import named_noun, noun
from simgrant.ports.clock import Clock
from simgrant.ports.network_events import NetworkEvents
from simgrant.spec.diameter import IETF, dictionary
from simgrant.wire.diameter.base import Node, Result, pull_result
from simgrant.wire.diameter.message import (
    PROXIABLE,
    RETRANSMITTED,
    Avps,
    BadDiameter,
    pull_message,
)

_ELSEWHERE: Final = frozenset({(IETF, Result.TOO_BUSY), (IETF, Result.UNABLE_TO_DELIVER)})
"""Answers after which another peer may do better (RFC 6733 §7.1.3)."""
_TIER: Final = {State.OKAY: 0, State.DOUBTFUL: 1, State.SUSPECT: 2}
_EARLY_S: Final = 0.02
"""So long before its deadline a request is given up, so that who asked hears from us why."""


@named_noun
class RouteConfig:
    """How one HSS is reached."""

    name: str
    """What the operator calls it, for errors."""
    peers: tuple[str, ...]
    """Names of the peers that lead there."""
    patience_s: float = 1.0
    """Seconds after which another peer is asked, where there is one."""
    retry: RetryRules = RetryRules(reserve=100)
    """How many may be asked elsewhere, and when a peer that only ever fails is left alone."""


class Route:
    """One HSS as seen from here: the peers that lead to it, each with its breaker."""

    def __init__(self, config: RouteConfig, peers: tuple[Peer, ...]) -> None:
        self.config = config
        chance = random.Random().random  # noqa: S311 - jitter
        self.ways = tuple((peer, Breaker(config.retry, chance)) for peer in peers)
        self.budget = RetryBudget(config.retry)


Way = tuple[Peer, Breaker]


@noun
class Told:
    """An answer, of whatever result."""

    result: tuple[int, int]
    """Vendor and code."""
    avps: Avps = field(repr=False, compare=False)


class DiameterNode:
    """Who we are, and our peers. To be made and used within one event loop."""

    def __init__(
        self,
        node: Node,
        peers: Iterable[PeerConfig],
        *,
        watcher: Watcher,
        clock: Clock,
        handlers: Tells,
        events: NetworkEvents | None = None,
    ) -> None:
        """Take what peers may tell, and who takes it over; None = nobody is known here."""
        heard = events or Nobody()
        self.node = node
        self._watcher = watcher
        self._clock = clock
        # Unique for minutes and across restarts, as RFC 6733 §3 proposes: time above, chance below.
        first = int(clock.now()) << 20 & 0xFFFFFFFF | random.getrandbits(20)
        self._end_to_end = itertools.count(first)
        self._sessions = itertools.count()
        self._peers = {
            config.name: Peer(
                config,
                node,
                answering(handlers, heard, config.name),
                watcher=watcher,
                end_to_end=self._next_end_to_end,
            )
            for config in peers
        }
        self._closed = False

    def route(self, config: RouteConfig) -> Route:
        """Return the way to an HSS; KeyError where it names a peer that is none."""
        return Route(config, tuple(self._peers[name] for name in config.peers))

    def session_id(self) -> str:
        """Return a Session-Id that is given once (RFC 6733 §8.8)."""
        return f"{self.node.host};{int(self._clock.now())};{next(self._sessions)}"

    def states(self) -> dict[str, State]:
        """Return what each peer is good for."""
        return {name: peer.state for name, peer in self._peers.items()}

    async def run(self) -> None:
        """Keep every peer connected; when cancelled, say good-bye to all of them."""
        tasks = [asyncio.create_task(peer.run()) for peer in self._peers.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            self._closed = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def request(
        self,
        route: Route,
        command: int,
        application: int,
        avps: bytes,
        *,
        deadline: float,
        host: str = "",
    ) -> Told:
        """Return the answer of an HSS by ``deadline`` (seconds of the monotonic clock).

        ``host`` is its Destination-Host: a peer of that name is asked first (RFC 6733 §6.1.5).
        Errors: PeerUnavailable (nobody to ask; ``retry_after`` where it is known), PeerTimeout,
        PeerMisbehaved (what came is no answer to it). An answer that says no is an answer.
        """
        deadline -= _EARLY_S
        await self._settled(route, deadline)
        route.budget.earn()
        end_to_end = self._next_end_to_end()
        tried: list[Peer] = []
        flags = PROXIABLE
        failed: PeerUnavailable | None = None
        told: Told | None = None
        while True:
            found = self._choose(route, tried, host)
            if found is None:
                break
            peer, breaker, connection = found
            tried.append(peer)
            began = self._clock.monotonic()
            left = deadline - began
            if left <= 0:
                # That its time is over is not the peer's doing.
                failed = failed or PeerTimeout(
                    "diameter_timeout", for_operator=f"{route.config.name}: no time left to ask"
                )
                break
            others = self._has_others(route, tried)
            within = min(left, route.config.patience_s) if others else left
            data = await connection.ask(
                command, application, avps, end_to_end=end_to_end, flags=flags, within=within
            )
            if isinstance(data, Ended):
                flags = PROXIABLE | RETRANSMITTED
                now = self._clock.monotonic()
                self._watcher.answered(peer.name, data.value, now - began)
                if data is Ended.LOST:
                    # That it is not connected says enough: the breaker is for who is, and fails.
                    failed = PeerUnavailable(
                        "diameter_lost",
                        for_operator=f"{peer.name}: the connection was lost before the answer",
                    )
                    continue
                breaker.failed(now)
                failed = PeerTimeout(
                    "diameter_timeout", for_operator=f"{peer.name}: no answer in time"
                )
                if not others or not route.budget.spend():
                    break
                continue
            told = self._read(peer, data, command, end_to_end, began)
            if told.result not in _ELSEWHERE:
                breaker.succeeded()
                return told
            breaker.failed(self._clock.monotonic())
            if not route.budget.spend():
                break
        if told is not None:
            # Everybody was too busy: it is for the caller to say what that means.
            return told
        raise failed or self._nobody(route)

    # --- whom to ask -----------------------------------------------------------------

    async def _settled(self, route: Route, deadline: float) -> None:
        """Wait, at the start, until a peer is connected or none of them was to be had."""
        while not any(peer.connection for peer, _ in route.ways):
            tries = [
                asyncio.create_task(peer.tried.wait())
                for peer, _ in route.ways
                if not peer.tried.is_set()
            ]
            if not tries:
                return
            left = max(0.0, deadline - self._clock.monotonic())
            done: set[asyncio.Task[bool]] = set()
            try:
                done, _ = await asyncio.wait(
                    tries, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for each in tries:
                    each.cancel()
            if not done:
                return

    def _choose(
        self, route: Route, tried: list[Peer], host: str
    ) -> tuple[Peer, Breaker, Connection] | None:
        """Return the best way that was not tried: by health, then priority, then weight."""
        ways = [way for way in route.ways if way[0] not in tried and way[0].connection is not None]
        if len(ways) > 1:
            ways.sort(key=_rank)
            if host:
                ways.sort(key=lambda way: way[0].config.host.lower() != host.lower())
        now = self._clock.monotonic()
        for peer, breaker in ways:
            connection = peer.connection
            if connection is not None and breaker.wait(now) == 0.0:
                return peer, breaker, connection
        return None

    def _has_others(self, route: Route, tried: list[Peer]) -> bool:
        """Say whether it is worth while to lose patience: another peer may be asked."""
        now = self._clock.monotonic()
        return route.budget.holds and any(
            peer not in tried and peer.connection is not None and not breaker.pause_left(now)
            for peer, breaker in route.ways
        )

    def _nobody(self, route: Route) -> PeerUnavailable:
        """Return why there is nobody to ask."""
        name = route.config.name
        if self._closed:
            return PeerUnavailable("diameter_closed", for_operator=f"{name}: we are stopping")
        if any(peer.is_full for peer, _ in route.ways):
            return PeerUnavailable(
                "diameter_window_full", for_operator=f"{name}: too many requests under way"
            )
        now = self._clock.monotonic()
        pauses = [
            breaker.pause_left(now) for peer, breaker in route.ways if peer.connection is not None
        ]
        if pauses:
            return PeerUnavailable(
                "circuit_open",
                for_operator=f"{name}: left alone after failures in a row",
                retry_after=max(1, math.ceil(min(pauses))),
            )
        return PeerUnavailable("diameter_no_peer", for_operator=f"{name}: no peer is connected")

    # --- what came of it ---------------------------------------------------------------

    def _read(self, peer: Peer, data: bytes, command: int, end_to_end: int, began: float) -> Told:
        seconds = self._clock.monotonic() - began
        try:
            message = pull_message(data)
            vendor, code = pull_result(message.avps)
        except BadDiameter as error:
            self._watcher.answered(peer.name, "malformed", seconds)
            raise PeerMisbehaved(
                "diameter_malformed", for_operator=f"{peer.name}: {error}"
            ) from None
        header = message.header
        if header.command != command or header.end_to_end != end_to_end:
            self._watcher.answered(peer.name, "malformed", seconds)
            raise PeerMisbehaved(
                "diameter_other_answer", for_operator=f"{peer.name}: an answer to something else"
            )
        self._watcher.answered(peer.name, _label(vendor, code), seconds)
        return Told((vendor, code), message.avps)

    def _next_end_to_end(self) -> int:
        return next(self._end_to_end) & 0xFFFFFFFF


def _label(vendor: int, code: int) -> str:
    """Return a result out of a closed set, whatever a peer makes up."""
    if (vendor, code) not in dictionary().results:
        return "other"
    return str(code) if vendor == IETF else f"e{code}"


def _rank(way: Way) -> tuple[int, int, float]:
    """Sort by health and priority, and by chance in proportion to the weights."""
    peer = way[0]
    chance = random.random()  # noqa: S311 - it spreads load
    return (
        _TIER.get(peer.state, 3),
        peer.config.priority,
        -math.log(1.0 - chance) / max(1, peer.config.weight),
    )
