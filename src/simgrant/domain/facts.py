"""Everything a policy rule or a service may look at, each with its source and age.

A fact is never bare: a care agent who asks why a phone got no service must see
not only that it was roaming but who said so and how long ago.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.nouns import Word, noun
from simgrant.spec.ids import ProvStatus

T = TypeVar("T")


class Area(Word):
    """Where the subscription is, as far as we know (no request carries it)."""

    HOME = "home"
    ROAMING = "roaming"
    UNKNOWN = "unknown"


@noun
class Fact(Generic[T]):
    """A value, who told it, and when (Unix seconds; None = it cannot grow old)."""

    value: T
    source: str
    at: int | None = None


@noun
class Device:
    """The asking device: the TAC decides, names are a hint (they are often dummies)."""

    tac: str
    """First 8 digits of the IMEI; empty when terminal_id is no IMEI."""
    vendor: str
    model: str
    sw_version: str


@noun
class Facts:
    """What the decision may look at. One field here and one loader in flows/gather.py."""

    status: Fact[SubscriptionStatus]
    plan: Fact[str]
    features: Fact[frozenset[str]]
    """What the plan contains, by the names the policy gives them."""
    terms: Fact[ConsentStatus]
    address: Fact[ConsentStatus]
    provisioning: Fact[ProvStatus]
    area: Fact[Area]
    visited_plmn: Fact[str]
    """Digits, or empty when unknown or too old."""
    device: Fact[Device]


@noun
class Question:
    """May this feature be used there? One service may have several (ap2003 has one per RAT)."""

    feature: str
    """``vowifi``, ``volte``, ``vonr``, ``smsoip``: the names that plans and rules use."""
    area: Area
