"""What a subscription itself holds, as the operator's systems report it.

What a plan contains is the same for all who have it and stands in the policy; what is here is each
subscription's own. Nothing of it is known until somebody reports it, and services say so then.
"""

from __future__ import annotations

from dataclasses import field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from simgrant.domain.address import CivicAddress
from simgrant.nouns import Word, noun, replace
from simgrant.spec.ids import ProvStatus

if TYPE_CHECKING:
    from simgrant.domain.subscription import ConsentStatus


MOST_STORE_USERS = 32
"""With whom one subscription has settled something: it is the phone that names them."""


class Money(NamedTuple):
    """An amount in the currency's main unit."""

    amount: Decimal
    currency: str
    """Three letters of ISO 4217."""

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def is_less(self, other: Money) -> bool:
        """Say whether it is less; amounts of two currencies are neither less nor more."""
        return self.currency == other.currency and self.amount < other.amount


class Purchase(Word):
    """How far a boost is that somebody bought, or that the network sets up for a plan."""

    IN_PROGRESS = "in_progress"
    """The network is not ready."""
    ACTIVE = "active"
    """The network has it."""
    UNTRACKED = "untracked"
    """Bought, and the network does not say how far it is."""
    EXPIRED = "expired"
    """Its time is over."""


@noun
class HeldBoost:
    """A data boost of a subscription (TS.43 §9.1.2)."""

    boost_type: int
    """166 and never 0."""
    purchase: Purchase
    until: int | None = None
    """Unix seconds at which it ends by itself; None = never."""
    at: int = 0
    """Unix seconds when this was told, as in the nouns that follow."""

    def state(self, now: float) -> Purchase:
        """Return how far it is at a time (Unix seconds)."""
        over = self.until is not None and now >= self.until
        return Purchase.EXPIRED if over else self.purchase


@noun
class HeldUsage:
    """A counter of a subscription (TS.43 §9.1.3)."""

    counter: str
    """Its name under ``[usage]`` in the policy; one that is not there is not told."""
    used: int
    """Bytes in this cycle."""
    allowance: int | None = None
    """Bytes; None = no limit."""
    cycle_end: int | None = None
    """Unix seconds; None where the cycle has no end."""
    at: int = 0


@noun
class HeldSatellite:
    """Whether the subscriber has switched satellite service on, on the operator's page."""

    status: ConsentStatus
    at: int = 0


@noun
class HeldBilling:
    """What a subscription has agreed to, and spent, at one store (TS.43 §11)."""

    store_vendor: str
    """In lower case."""
    store_user_id: str = field(repr=False)
    terms: ConsentStatus
    provisioning: ProvStatus = ProvStatus.NOT_REQUIRED
    spent: Money | None = None
    """In this cycle; None = nobody said."""
    limit: Money | None = None
    """The subscriber's own limit, where it is lower than the plan's."""
    resets_at: int | None = None
    """Unix seconds from which on ``spent`` counts as nothing."""
    at: int = 0


@noun
class HeldAddress:
    """The address for emergency calls over Wi-Fi; whether it counts, the consent says."""

    address: CivicAddress
    identifier: str = field(default="", repr=False)
    """The emergency system's name for the place."""
    at: int = 0


Holding: TypeAlias = HeldBoost | HeldUsage | HeldSatellite | HeldBilling | HeldAddress


@noun
class Holdings:
    """All of it. A request reads it only for services that look at it."""

    boosts: tuple[HeldBoost, ...] = ()
    usage: tuple[HeldUsage, ...] = ()
    satellite: HeldSatellite | None = None
    billing: tuple[HeldBilling, ...] = ()
    address: HeldAddress | None = None

    def at_store(self, vendor: str, user_id: str) -> HeldBilling | None:
        """Return what is settled with one user of a store (``vendor`` in lower case)."""
        for each in self.billing:
            if each.store_vendor == vendor and each.store_user_id == user_id:
                return each
        return None

    def with_billing(self, settled: HeldBilling) -> Holdings:
        """Return the same with this in the place of what was settled with the same user."""
        old = self.at_store(settled.store_vendor, settled.store_user_id)
        others = (each for each in self.billing if each is not old)
        return replace(self, billing=(*others, settled))


NOTHING = Holdings()
