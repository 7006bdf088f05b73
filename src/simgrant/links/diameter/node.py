"""Our Diameter node: whom a request is sent to, and who gets it next if that one does not answer.

A request keeps its End-to-End identifier wherever it goes. Sent again without any answer to the
first, it has the T flag (RFC 6733 §3, §5.5.4); sent elsewhere since a peer was too busy, could not
deliver it or said who is to be asked, it has not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
from collections.abc import Iterable
from dataclasses import field
from typing import Final

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.diameter.connection import Ended
from simgrant.links.diameter.events import Nobody, Tells, answering
from simgrant.links.diameter.peer import Peer, PeerConfig, State, Watcher
from simgrant.links.diameter.route import Route, RouteConfig, Way, named
from simgrant.links.diameter.search import Search
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.network_events import NetworkEvents
from simgrant.spec.diameter import IETF, dictionary
from simgrant.wire.diameter.avps import OC_OLR, ORIGIN_HOST, ORIGIN_REALM
from simgrant.wire.diameter.base import Node, Result, pull_result
from simgrant.wire.diameter.message import (
    PROXIABLE,
    RETRANSMITTED,
    Avps,
    BadDiameter,
    pull_message,
)
from simgrant.wire.diameter.overload import FEATURES, Scope, pull_report

__all__ = ["DiameterNode", "Route", "RouteConfig", "Told"]

_ELSEWHERE: Final = frozenset({(IETF, Result.TOO_BUSY), (IETF, Result.UNABLE_TO_DELIVER)})
"""Answers after which another peer may do better (RFC 6733 §7.1.3)."""
_REDIRECTED: Final = (IETF, Result.REDIRECT_INDICATION)
_EARLY_S: Final = 0.02
"""So long before its deadline a request is given up, so that who asked hears from us why."""


@noun
class Told:
    """An answer, of whatever result."""

    result: tuple[int, int]
    """Vendor and code."""
    avps: Avps = field(repr=False, compare=False)

    @property
    def is_good(self) -> bool:
        """Whether it does not say no."""
        return self.result[1] < 3000


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
        heeds_overload: bool = True,
    ) -> None:
        """Take what peers may tell, and who takes it over; None = nobody is known here.

        ``heeds_overload`` says whether those who report an overload are spared requests, and told
        that they would be.
        """
        heard = events or Nobody()
        self.node = node
        self._watcher = watcher
        self._clock = clock
        self._features = FEATURES if heeds_overload else b""
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
        self._routes: dict[RouteConfig, Route] = {}
        self._closed = False

    def route(self, config: RouteConfig) -> Route:
        """Return the way to an HSS; KeyError where it names a peer that is none.

        Whoever asks the same HSS has the same, and so learns what others were told.
        """
        found = self._routes.get(config)
        if found is None:
            found = self._routes[config] = Route(config, self._peers)
        return found

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
        goes_on: bool = False,
    ) -> Told:
        """Return the answer of an HSS by ``deadline`` (seconds of the monotonic clock).

        ``host`` is its Destination-Host: a peer of that name is asked first (RFC 6733 §6.1.5). One
        that ``goes_on`` with a conversation is sent though its HSS asked to be spared: the rest of
        it would have been in vain.
        Errors: PeerUnavailable (nobody to ask; ``retry_after`` where it is known), PeerTimeout,
        PeerMisbehaved (what came is no answer to it). An answer that says no is an answer.
        """
        deadline -= _EARLY_S
        avps += self._features + route.own
        spares = bool(self._features) and not goes_on
        search = Search(route, application, avps, host, spares=spares)
        await self._settled(search.ways, deadline)
        route.budget.earn()
        end_to_end = self._next_end_to_end()
        flags = PROXIABLE
        failed: PeerUnavailable | None = None
        told: Told | None = None
        while True:
            began = self._clock.monotonic()
            found = search.next(began)
            if found is None:
                break
            peer, breaker, connection = found
            left = deadline - began
            if left <= 0:
                # That its time is over is not the peer's doing.
                failed = failed or PeerTimeout(
                    "diameter_timeout", for_operator=f"{route.config.name}: no time left to ask"
                )
                break
            others = search.has_others(began)
            within = min(left, route.config.patience_s) if others else left
            data = await connection.ask(
                command,
                application,
                search.avps_for(peer),
                end_to_end=end_to_end,
                flags=flags,
                within=within,
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
            answer = self._read(peer, data, command, end_to_end, began)
            self._heed(route, application, answer.avps)
            if answer.result == _REDIRECTED:
                breaker.succeeded()
                search.redirect(peer, answer.avps, self._clock.monotonic())
                if search.goes_in_circles:
                    failed = failed or PeerUnavailable(
                        "diameter_redirect_loop",
                        for_operator=f"{peer.name}: it redirects to who was asked already",
                    )
                    break
                told = None
                await self._settled(search.ways, deadline)
                continue
            told = answer
            if told.result not in _ELSEWHERE:
                breaker.succeeded()
                if told.is_good or not search.is_by_memory or not route.budget.spend():
                    return told
                search.doubt(peer)
                continue
            breaker.failed(self._clock.monotonic())
            if not route.budget.spend():
                break
        if told is not None:
            # Everybody was too busy: it is for the caller to say what that means.
            return told
        if failed is None and search.spared_s:
            self._watcher.spared(route.config.name)
            failed = PeerUnavailable(
                "diameter_overloaded",
                for_operator=f"{route.config.name}: it reported an overload and is spared",
                retry_after=math.ceil(search.spared_s),
            )
        raise failed or self._nobody(route.config.name, search.ways)

    # --- whom to ask -----------------------------------------------------------------

    async def _settled(self, ways: tuple[Way, ...], deadline: float) -> None:
        """Wait, at the start, until a peer is connected or none of them was to be had."""
        while not any(peer.connection for peer, _ in ways):
            tries = [
                asyncio.create_task(peer.tried.wait())
                for peer, _ in ways
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

    def _nobody(self, name: str, ways: tuple[Way, ...]) -> PeerUnavailable:
        """Return why there is nobody to ask."""
        if self._closed:
            return PeerUnavailable("diameter_closed", for_operator=f"{name}: we are stopping")
        if any(peer.is_full for peer, _ in ways):
            return PeerUnavailable(
                "diameter_window_full", for_operator=f"{name}: too many requests under way"
            )
        now = self._clock.monotonic()
        pauses = [breaker.pause_left(now) for peer, breaker in ways if peer.connection is not None]
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

    def _heed(self, route: Route, application: int, avps: Avps) -> None:
        """Take the reports of overload in an answer. One that is malformed spoils nothing else."""
        if not self._features:
            return
        with contextlib.suppress(BadDiameter):
            for group in avps.all(OC_OLR):
                report = pull_report(group)
                if report is None:
                    continue
                kind = ORIGIN_HOST if report.scope is Scope.HOST else ORIGIN_REALM
                whose = named(avps.need(kind))
                key = (application, report.scope, whose)
                if route.overloads.take(key, report, self._clock.monotonic()):
                    self._watcher.overloaded(route.config.name, whose, report)

    def _next_end_to_end(self) -> int:
        return next(self._end_to_end) & 0xFFFFFFFF


def _label(vendor: int, code: int) -> str:
    """Return a result out of a closed set, whatever a peer makes up."""
    if (vendor, code) not in dictionary().results:
        return "other"
    return str(code) if vendor == IETF else f"e{code}"
