"""Everything a policy rule or a service may look at, each with its source and age.

A fact is never bare: a care agent who asks why a phone got no service must see
not only that it was roaming but who said so and how long ago.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from simgrant.domain.companions import Companions
from simgrant.domain.device_lists import Listing
from simgrant.domain.holdings import Purchase
from simgrant.domain.network_facts import Registration
from simgrant.domain.order import Kind
from simgrant.domain.plans import NO_PLAN, Plan
from simgrant.domain.risk import NumberType, Way
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


class Wish(NamedTuple):
    """What a request asks for beyond the names of applications."""

    boost_type: int | None = None
    """The boost wanted in real time (TS.43 §9.7), 166 for 0; None = none."""
    store: str = ""
    """store_vendor in lower case (TS.43 §11.1); empty = none."""

    def __str__(self) -> str:
        boost = "" if self.boost_type is None else f"boost {self.boost_type}"
        store = f"store {self.store}" if self.store else ""
        return ", ".join(filter(None, (boost, store))) or "nothing more"


class BoostState(NamedTuple):
    """How far a boost of the subscription is."""

    boost_type: int
    purchase: Purchase

    def __str__(self) -> str:
        return f"boost {self.boost_type} {self.purchase}"


class UsageShape(NamedTuple):
    """A counter without its numbers.

    They are each subscription's own and change all the time, so they are no facts that decide:
    they are put into the finished answer (`simgrant.services.service.own_value`).
    """

    counter: str
    limited: bool
    cyclic: bool

    def __str__(self) -> str:
        return self.counter


class Purchases(Word):
    """Whether anything more may be bought at the store in question."""

    NOT_OFFERED = "not_offered"
    """The plan does not have this store."""
    NO_LIMIT = "no_limit"
    BELOW_LIMIT = "below_limit"
    LIMIT_REACHED = "limit_reached"
    UNKNOWN = "unknown"
    """There is a limit, and nobody said how much is spent."""


class StoreState(NamedTuple):
    """What is settled with the store in question."""

    terms: ConsentStatus
    provisioning: ProvStatus
    purchases: Purchases
    limit: str = ""
    """The spending limit, for people; empty = none."""

    def __str__(self) -> str:
        limit = f" of {self.limit}" if self.limit else ""
        return f"terms {self.terms}, {self.provisioning.name.lower()}, {self.purchases}{limit}"


NOBODY = "nobody told"
"""The source of what no system of the operator's reported."""

NO_STORE = StoreState(ConsentStatus.NOT_REQUIRED, ProvStatus.NOT_REQUIRED, Purchases.NOT_OFFERED)


@noun
class Facts:
    """What the decision may look at. One field here and one loader in flows/gather.py."""

    status: Fact[SubscriptionStatus]
    plan: Fact[str]
    features: Fact[frozenset[str]]
    """What the plan contains, and options besides, by the names the policy gives them."""
    terms: Fact[ConsentStatus]
    address: Fact[ConsentStatus]
    provisioning: Fact[ProvStatus]
    area: Fact[Area]
    visited_plmn: Fact[str]
    """Digits, or empty when unknown or too old."""
    device: Fact[Device]
    registration: Fact[Registration] = Fact(Registration.UNKNOWN, NOBODY)
    """Whether the network has the phone."""
    offer: Fact[Plan] = Fact(NO_PLAN, NOBODY)
    """What the plan contains in detail."""
    wish: Fact[Wish] = Fact(Wish(), NOBODY)
    boosts: Fact[tuple[BoostState, ...]] = Fact((), NOBODY)
    """In the order of their types."""
    usage: Fact[tuple[UsageShape, ...]] = Fact((), NOBODY)
    """In the order of their names."""
    options: Fact[frozenset[str]] = Fact(frozenset(), NOBODY)
    """Features that the subscription has besides those of its plan."""
    refusals: Fact[frozenset[str]] = Fact(frozenset(), NOBODY)
    """Features that the operator's BSS refuses, whatever the plan contains."""
    tenure_d: Fact[int | None] = Fact(None, NOBODY)
    """Days for which the subscriber has been one; known only where a rule looks at it."""
    companions: Fact[Companions] = Fact(Companions(), NOBODY)
    """How many the line has; known only where a rule or a service looks at it."""
    satellite: Fact[ConsentStatus] = Fact(ConsentStatus.NOT_REQUIRED, NOBODY)
    """Whether the subscriber has switched it on."""
    store: Fact[StoreState] = Fact(NO_STORE, NOBODY)
    kind: Fact[Kind | None] = Fact(None, NOBODY)
    """What is to be done with an eSIM."""
    proof: Fact[Way] = Fact(Way.UNKNOWN, NOBODY)
    """How whoever asks for it proved whose line it is."""
    holder_proof: Fact[Way] = Fact(Way.UNKNOWN, NOBODY)
    """The same; of whoever asks with a temporary token, how the holder proved it who lent that."""
    sim_age_h: Fact[int | None] = Fact(None, NOBODY)
    """Hours for which the line has had its SIM."""
    imei_age_h: Fact[int | None] = Fact(None, NOBODY)
    """Hours for which the asking device has been known with this SIM."""
    port_freeze: Fact[bool] = Fact(value=False, source=NOBODY)
    """Whether the subscriber has the line locked against being moved."""
    prepaid: Fact[bool] = Fact(value=False, source=NOBODY)
    number_type: Fact[NumberType] = Fact(NumberType.UNKNOWN, NOBODY)
    tac_list: Fact[Listing] = Fact(Listing.UNLISTED, NOBODY)
    """What the list of TACs says of the device that gets the eSIM."""
    eid_list: Fact[Listing] = Fact(Listing.UNLISTED, NOBODY)
    """What the list of EIDs says of its eUICC."""
    schedules: Fact[tuple[str, ...]] = Fact((), NOBODY)
    """The schedules of the policy that are in force."""
    rollouts: Fact[tuple[str, ...]] = Fact((), NOBODY)
    """The roll-outs that the subscription is in, of those that rules name."""


HELD = frozenset({"boosts", "usage", "satellite", "store"})
"""The facts that are made of what a subscription holds. They are looked at only for services that
need them; for all others they are as above."""

ACTIVATION = frozenset(
    {
        "kind",
        "proof",
        "holder_proof",
        "sim_age_h",
        "imei_age_h",
        "port_freeze",
        "prepaid",
        "number_type",
        "tac_list",
        "eid_list",
    }
)
"""The facts about who gets an eSIM. They are gathered for such requests alone, and rules about
nothing else may look at them."""


@noun
class Question:
    """May this feature be used there? One service may have several (ap2003 has one per RAT)."""

    feature: str
    """``vowifi``, ``volte``, ``vonr``, ``smsoip``: the names that plans and rules use."""
    area: Area
