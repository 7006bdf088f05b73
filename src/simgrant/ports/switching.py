"""Lines of which a service in the network is to be looked at: switched, or still under way.

A row says that there may be something to do, not what: whoever claims it finds out what holds now.
So no wish is lost when somebody dies, and none is carried out that was taken back meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol, TypeAlias

from simgrant.domain.life import Life
from simgrant.domain.plans import boost_feature
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.identities import Imsi
from simgrant.nouns import noun
from simgrant.spec.ids import ProvStatus

VOWIFI: Final = "vowifi"
"""The name of Wi-Fi calling among services; boosts have that of their feature (`boost_feature`)."""
ServicesOf: TypeAlias = Mapping[str, frozenset[str]]
"""The services of each tenant's lines that are switched in the network."""
NOTHING_SWITCHED: Final[ServicesOf] = {}
NO_SERVICES: Final[frozenset[str]] = frozenset()
LEFT_FOR_S: Final = 30 * 86_400
"""Seconds for which it is tried to do in the network what is left of somebody who was erased."""


def services_of(life: Life) -> frozenset[str]:
    """Return the services that a line may have on in the network while it is so.

    One that was removed has none: what is left of it has rows by then.
    """
    if life.subscription.status is SubscriptionStatus.REMOVED:
        return NO_SERVICES
    calling = life.subscription.provisioning is not ProvStatus.NOT_REQUIRED
    boosts = {boost_feature(each.boost_type) for each in life.held.boosts}
    return frozenset(boosts | {VOWIFI} if calling else boosts)


@noun
class UnderWay:
    """How far it was when somebody looked last."""

    on: bool
    tries: int = 0
    """How often in a row nothing came of it."""
    watch: str = ""
    """What `Activation.progress` is asked with; empty = it is to be switched (again)."""
    until: int = 0
    """Unix seconds after which it is given up, since its line was erased; 0 = never."""


@noun
class DueSwitch:
    """A line that somebody is to look at until his lease is over."""

    tenant: str
    imsi: Imsi
    service: str
    """Which one: `VOWIFI`, or a boost."""
    under_way: UnderWay | None
    """None = something changed, and nobody has looked since."""
    lease: int = field(repr=False)
    """Tells this claim from a later one."""


class SwitchRows(Protocol):
    """The port; every method raises PeerUnavailable where the store is away."""

    async def claim(self, *, now: int, again_at: int, limit: int) -> Sequence[DueSwitch]:
        """Return lines that are due; nobody else is given them until ``again_at``.

        Times are Unix seconds.
        """

    async def settle(self, due: DueSwitch, then: UnderWay | None, *, due_at: int, now: int) -> None:
        """Note how far it is, and when to look next; ``then`` None = all is as it should be.

        Where something changed meanwhile, or the lease was over, the line is looked at once more.
        """
