"""Who orders profiles in our place: the operator's business support system (order_mode = bss).

What every adapter promises:

- Each call ends by its deadline, in seconds of the monotonic clock.
- A call that comes again with the same ``call_id`` is the same call: nothing is done twice for it,
  and what came of it is answered again. The order itself is named by ``wanted.order_id`` in every
  call about it, for as long as it lives.
- ``order`` ends with the profile, or with None: the BSS has taken it over for good and hands the
  profile in later, by the management plane. ``cancel`` ends with True where it is done, and with
  False where the BSS has taken it over and says later that it is.
- What is neither is one of three errors: `Declined`, the BSS answered that it will not, and why;
  `NotReached`, it surely has not heard of it; `UnknownOutcome`, nobody knows. All three are
  PeerUnavailable for who does not tell them apart.
- No IMSI, ICCID, EID, matching id or password is in any error or log line.

Of two calls to ``changed`` the one with the higher ``version`` counts, in whatever order they come.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from simgrant.domain.order import Delivered, Order
from simgrant.domain.owner import Owner
from simgrant.errors import PeerUnavailable
from simgrant.nouns import named_noun

__all__ = [
    "BssOrders",
    "Declined",
    "Delivered",
    "NotReached",
    "TellsLater",
    "UnknownOutcome",
    "Wanted",
]


class Declined(PeerUnavailable):
    """The BSS answered that it will not; ``reason`` is a word for the operator."""

    default_reason = "declined"


class NotReached(PeerUnavailable):
    """It surely was not done; ``retry_after`` says how long to wait, where that is known."""

    default_reason = "bss_not_reached"


class UnknownOutcome(PeerUnavailable):
    """Nobody knows whether it was done."""

    default_reason = "bss_outcome_unknown"


@named_noun
class Wanted:
    """What a call is about."""

    tenant: str
    owner: Owner
    """Whose it is: the subscription that asks, or an enterprise."""
    order: Order
    """As it is now: device, plan, profile type, state and version are the order's."""

    @property
    def order_id(self) -> str:
        """Return what names it."""
        return self.order.order_id


class BssOrders(Protocol):
    """One BSS; see the module's docstring for what it promises."""

    async def order(self, call_id: str, wanted: Wanted, *, deadline: float) -> Delivered | None:
        """Have a profile ordered, and return it if it is there; None = later."""

    async def cancel(self, call_id: str, wanted: Wanted, *, deadline: float) -> bool:
        """Have an order, or the profile that came of it, taken back; say whether it is done."""

    async def changed(self, call_id: str, wanted: Wanted, *, deadline: float) -> None:
        """Tell the state and the plan of an order whose profile is handed in."""

    async def close(self) -> None:
        """Let go of every connection; calls under way end with `UnknownOutcome`."""


@runtime_checkable
class TellsLater(Protocol):
    """What a `BssOrders` is besides, where the BSS can be asked what became of an order.

    Neither method orders or changes anything. Errors as above.
    """

    async def outcome(self, wanted: Wanted, *, deadline: float) -> Delivered | None:
        """Return the profile, if it is there by now; `Declined` where it never will be."""

    async def is_taken_back(self, wanted: Wanted, *, deadline: float) -> bool:
        """Say whether what was to be taken back is by now; `Declined` where it never will be."""
