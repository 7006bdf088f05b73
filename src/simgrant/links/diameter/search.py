"""One request on its way: who was asked already, who is next, and where it was redirected to."""

from __future__ import annotations

import random
from typing import Final

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.diameter.connection import Connection
from simgrant.links.diameter.overloads import Key
from simgrant.links.diameter.peer import Peer, State
from simgrant.links.diameter.redirects import Asked, pull_asked
from simgrant.links.diameter.route import Route, Way, named
from simgrant.links.retry import Breaker, lot
from simgrant.wire.diameter.message import Avps, BadDiameter
from simgrant.wire.diameter.overload import Scope
from simgrant.wire.diameter.redirect import hosts_of, pull_redirect, push_sent_to

_TIER: Final = {State.OKAY: 0, State.DOUBTFUL: 1, State.SUSPECT: 2}
_MOST_REDIRECTS: Final = 3
"""Of one request."""


class Search:
    """Where one request may go. No peer is asked twice, and so nothing goes around in circles; but
    whoever was asked by memory may be asked again by an agent's word."""

    def __init__(
        self, route: Route, application: int, avps: bytes, host: str, *, spares: bool
    ) -> None:
        """Take ``host``, empty or the peer that is asked first.

        ``spares`` says whether those who have too much are spared it.
        """
        self._route = route
        self._application = application
        self._avps = avps
        self._first = named(host)
        own = route.way_to(host) if host else None
        self._usual = route.ways if own is None or own in route.ways else (own, *route.ways)
        self._spares = spares
        self._verdicts: dict[Key, float] = {}
        """Seconds for which hosts and realms are to be spared, 0 = not at all; each drawn once."""
        self.spared_s = 0.0
        """Seconds until somebody need not be spared who would have been asked; 0 = nobody was."""
        self._asked: Asked | None = None
        self._tried: list[Peer] = []
        self._towards: tuple[Way, ...] = ()
        """Whom it was redirected to."""
        self._agent = ""
        """Whom it would have gone to, had nobody said so before."""
        self._redirects = 0
        """How often that was said to this request, and not to one before it."""

    @property
    def asked(self) -> Asked:
        """Return what decides where it goes."""
        if self._asked is None:
            self._asked = pull_asked(self._application, self._avps)
        return self._asked

    @property
    def ways(self) -> tuple[Way, ...]:
        """Return all ways that it may go, tried or not: those that it was redirected to alone."""
        return self._towards if self._redirects else self._usual

    @property
    def is_by_memory(self) -> bool:
        """Whether the last peer was asked as an agent had said so to another request."""
        return bool(self._towards) and not self._redirects

    def avps_for(self, peer: Peer) -> bytes:
        """Return its AVPs for a peer: who it was redirected to is its Destination-Host."""
        if any(peer is each for each, _ in self._towards):
            return push_sent_to(self._avps, peer.config.host)
        return self._avps

    def next(self, now: float) -> tuple[Peer, Breaker, Connection] | None:
        """Return whom to ask, who was not; None = there is nobody."""
        ways = self._ranked(self.ways)
        if not self._tried and self._route.redirects:
            self._agent = self._first or named(ways[0][0].config.host)
            hosts = self._route.redirects.hosts(self.asked, self._agent, now)
            self._towards = tuple(way for each in hosts if (way := self._route.way_to(each)))
        if self.is_by_memory:
            found = self._take(self._ranked(self._towards), now)
            if found is not None or self.spared_s:
                # An agent would send it to who is to be spared.
                return found
            self._towards = ()
        return self._take(ways, now)

    def has_others(self, now: float) -> bool:
        """Say whether it is worth while to lose patience: another peer may be asked."""
        return self._route.budget.holds and any(
            peer not in self._tried
            and peer.connection is not None
            and not breaker.pause_left(now)
            and not self._spare_s(peer, now)
            for peer, breaker in self.ways
        )

    def redirect(self, peer: Peer, avps: Avps, now: float) -> None:
        """Take a peer's word that others are to be asked, though they may have been already.

        PeerMisbehaved where it says nothing of sense, PeerUnavailable where we know none of them.
        """
        name = self._route.config.name
        try:
            said = pull_redirect(avps)
        except BadDiameter as error:
            raise PeerMisbehaved(
                "diameter_redirect_malformed", for_operator=f"{peer.name}: {error}"
            ) from None
        ways = {
            named(each.host): way
            for each in said.places
            if (way := self._route.way_to(each.host)) is not None
            and (way[0].config.tls or not each.secure)
        }
        if not ways:
            raise PeerUnavailable(
                "diameter_redirect_unknown",
                for_operator=(
                    f"{peer.name}: it redirects to {hosts_of(said.places)}, which {name} has not "
                    "in redirects_to, or without TLS"
                ),
            )
        self._redirects += 1
        self._towards = tuple(ways.values())
        self._route.redirects.keep(
            said.usage, self.asked, peer.config.host, tuple(ways), seconds=said.seconds, now=now
        )

    @property
    def goes_in_circles(self) -> bool:
        """Whether it was redirected too often, or only to those who were asked already."""
        return self._redirects > _MOST_REDIRECTS or (
            self._redirects > 0 and all(peer in self._tried for peer, _ in self._towards)
        )

    def doubt(self, peer: Peer) -> None:
        """Forget by which memory a peer was asked; it may be asked again, if an agent says so."""
        self._route.redirects.forget(self.asked, self._agent)
        self._tried.remove(peer)
        self._towards = ()

    def _take(self, ways: tuple[Way, ...], now: float) -> tuple[Peer, Breaker, Connection] | None:
        for peer, breaker in ways:
            if peer in self._tried:
                continue
            connection = peer.connection
            if connection is None:
                continue
            if left := self._spare_s(peer, now):
                self.spared_s = min(self.spared_s or left, left)
            elif breaker.wait(now) == 0.0:
                self._tried.append(peer)
                return peer, breaker, connection
        return None

    def _spare_s(self, peer: Peer, now: float) -> float:
        """Return seconds for which a peer is to be spared this request; 0 = it is not.

        A request is the named host's, else that of whom it is sent to, as far as we know; one that
        names nobody is its realm's as well.
        """
        if not self._spares or not self._route.overloads:
            return 0.0
        asked = self.asked
        if any(peer is each for each, _ in self._towards):
            return self._verdict((self._application, Scope.HOST, named(peer.config.host)), now)
        if asked.host:
            return self._verdict((self._application, Scope.HOST, named(asked.host)), now)
        return max(
            self._verdict((self._application, Scope.HOST, named(peer.config.host)), now),
            self._verdict((self._application, Scope.REALM, named(asked.realm)), now),
        )

    def _verdict(self, key: Key, now: float) -> float:
        found = self._verdicts.get(key)
        if found is None:
            percent, left = self._route.overloads.of(key, now)
            is_spared = random.random() * 100 < percent  # noqa: S311 - it sheds load
            found = self._verdicts[key] = left if is_spared else 0.0
        return found

    def _ranked(self, ways: tuple[Way, ...]) -> tuple[Way, ...]:
        """Return ways by health, then priority, then weight; before them who was named."""
        if len(ways) > 1:
            ways = tuple(sorted(ways, key=_rank))
            if self._first:
                ways = tuple(sorted(ways, key=self._is_other))
        return ways

    def _is_other(self, way: Way) -> bool:
        return named(way[0].config.host) != self._first


def _rank(way: Way) -> tuple[int, int, float]:
    """Sort by health and priority, and by chance in proportion to the weights."""
    peer = way[0]
    chance = random.random()  # noqa: S311 - it spreads load
    return (
        _TIER.get(peer.state, 3),
        peer.config.priority,
        lot(peer.config.weight, chance=chance),
    )
