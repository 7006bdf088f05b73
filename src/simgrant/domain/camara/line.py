"""A subscriber's line, as partner APIs look at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.domain.subscription import Subscription, Terminal
from simgrant.identities import Imei, Msisdn
from simgrant.nouns import named_noun


@named_noun
class Line:
    """A line as one read finds it."""

    subscription: Subscription
    sim_since: int = 0
    """Unix seconds since when it has its SIM, as operators' systems told; 0 = nobody did."""
    iccid_at: int = 0
    """Unix seconds at which its ICCID became another; 0 = it never did, as far as is known."""
    number_since: int = 0
    """Unix seconds at which it got its number in place of another; 0 = it had no other, as far
    as is known."""
    silent: bool = False
    """Whether its subscriber never said anything about what consumers may do."""

    @property
    def sim_changed_at(self) -> int:
        """Unix seconds of the last SIM swap; where nobody told of one, of the activation.

        A number that comes to a SIM is one as well (CAMARA sim-swap).
        """
        told = max(self.sim_since, self.iccid_at, self.number_since)
        return told or self.subscription.created_at

    @property
    def msisdn(self) -> Msisdn | None:
        """Its number."""
        return self.subscription.msisdn


NO_CHANGE: Final = 0


def device_changed_at(terminals: Sequence[Terminal]) -> int:
    """Return the Unix seconds at which a line came into the device that it is in; 0 = not known.

    It is what devices said of themselves, by IMEI; those that have none are left out. Of one that
    came back, the time is when the other was seen last.
    """
    known = [each for each in terminals if each.first_at and Imei.tac_of(each.terminal_id)]
    if not known:
        return NO_CHANGE
    current = max(known, key=lambda each: (each.seen_at, each.first_at))
    others = (each.seen_at for each in known if each is not current)
    return max((current.first_at, *others))
