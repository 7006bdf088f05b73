"""How one HSS is reached: the peers that lead to it, and what is known of each."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping

from simgrant.links.diameter.overloads import Overloads
from simgrant.links.diameter.peer import Peer
from simgrant.links.diameter.redirects import Redirects
from simgrant.links.retry import Breaker, RetryBudget, RetryRules
from simgrant.nouns import named_noun
from simgrant.wire.diameter.avps import DRMP


@named_noun
class RouteConfig:
    """How one HSS is reached."""

    name: str
    """What the operator calls it, for errors."""
    peers: tuple[str, ...]
    """Names of the peers that lead there."""
    redirects_to: tuple[str, ...] = ()
    """Names of those that they may redirect to, besides each other."""
    patience_s: float = 1.0
    """Seconds after which another peer is asked, where there is one."""
    message_priority: int | None = None
    """What requests say of how urgent they are, 0 most and 15 least (RFC 7944); None = nothing."""
    retry: RetryRules = RetryRules(reserve=100)
    """How many may be asked elsewhere, and when a peer that only ever fails is left alone."""


Way = tuple[Peer, Breaker]


class Route:
    """One HSS as seen from here: the peers that lead to it, each with its breaker."""

    def __init__(self, config: RouteConfig, peers: Mapping[str, Peer]) -> None:
        """Take all peers by name; KeyError where one is named that is none."""
        self.config = config
        chance = random.Random().random  # noqa: S311 - jitter
        self.ways = tuple((peers[name], Breaker(config.retry, chance)) for name in config.peers)
        others = tuple(
            (peers[name], Breaker(config.retry, chance))
            for name in config.redirects_to
            if name not in config.peers
        )
        self._by_host = {named(peer.config.host): (peer, each) for peer, each in others + self.ways}
        self.budget = RetryBudget(config.retry)
        urgency = config.message_priority
        self.own = b"" if urgency is None else DRMP.push(urgency)
        """AVPs that every request has."""
        self.redirects = Redirects(secrets.token_bytes(32))
        self.overloads = Overloads()

    def way_to(self, host: str) -> Way | None:
        """Return the way to a host that may be redirected to; None where it is no such peer."""
        return self._by_host.get(named(host))


def named(host: str) -> str:
    """Return the name of a host as it is compared."""
    return host.lower().rstrip(".")
