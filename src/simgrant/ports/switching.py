"""Lines of which a service in the network is to be looked at: switched, or still under way.

A row says that there may be something to do, not what: whoever claims it finds out what holds now.
So no wish is lost when somebody dies, and none is carried out that was taken back meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol, TypeAlias

from simgrant.identities import Imsi
from simgrant.nouns import noun

VOWIFI: Final = "vowifi"
"""The name of Wi-Fi calling among services; boosts have that of their feature (`boost_feature`)."""
ServicesOf: TypeAlias = Mapping[str, frozenset[str]]
"""The services of each tenant's lines that are switched in the network."""
NOTHING_SWITCHED: Final[ServicesOf] = {}


@noun
class UnderWay:
    """How far it was when somebody looked last."""

    on: bool
    tries: int = 0
    """How often in a row nothing came of it."""
    watch: str = ""
    """What `Activation.progress` is asked with; empty = it is to be switched (again)."""


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
