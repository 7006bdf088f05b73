"""Facts for tests: a sound subscriber at home, and any subscriber at all."""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict, Unpack

from hypothesis import strategies as st

from simgrant.domain.facts import (
    NO_STORE,
    Area,
    BoostState,
    Device,
    Fact,
    Facts,
    Purchases,
    Question,
    StoreState,
    UsageShape,
    Wish,
)
from simgrant.domain.holdings import Money, Purchase
from simgrant.domain.network_facts import Registration
from simgrant.domain.plans import (
    ANY_STORE,
    NO_PLAN,
    TARGETS,
    Billing,
    BillingTerms,
    Counter,
    Plan,
    PlanBoost,
    Sale,
    Satellite,
    SatelliteNetwork,
)
from simgrant.domain.policy import Decision, Result
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.spec.ids import (
    DataAccessType,
    DataPlanType,
    DataUsageType,
    ProvStatus,
    ServicePolicy,
    ServiceType,
    TcOperation,
)


class Changes(TypedDict, total=False):
    """What a test may want otherwise."""

    status: SubscriptionStatus
    plan: str
    features: frozenset[str]
    terms: ConsentStatus
    address: ConsentStatus
    provisioning: ProvStatus
    area: Area
    visited_plmn: str
    device: Device
    registration: Registration
    offer: Plan
    wish: Wish
    boosts: tuple[BoostState, ...]
    usage: tuple[UsageShape, ...]
    satellite: ConsentStatus
    store: StoreState


ALL_VOICE = frozenset({"volte", "vonr", "vowifi", "smsoip"})
PHONE = Device(tac="35000000", vendor="ACME", model="P1", sw_version="14")


def facts(**changes: Unpack[Changes]) -> Facts:
    """Return the facts of a sound subscriber at home, but for the changes."""
    return Facts(
        status=Fact(changes.get("status", SubscriptionStatus.ACTIVE), "store", 100),
        plan=Fact(changes.get("plan", "standard"), "store", 100),
        features=Fact(changes.get("features", ALL_VOICE), "policy 1"),
        terms=Fact(changes.get("terms", ConsentStatus.GIVEN), "store", 100),
        address=Fact(changes.get("address", ConsentStatus.GIVEN), "store", 100),
        provisioning=Fact(changes.get("provisioning", ProvStatus.PROVISIONED), "store", 100),
        area=Fact(changes.get("area", Area.HOME), "hss", 200),
        visited_plmn=Fact(changes.get("visited_plmn", "00101"), "hss", 200),
        device=Fact(changes.get("device", PHONE), "request"),
        registration=Fact(changes.get("registration", Registration.UNKNOWN), "hss", 200),
        offer=Fact(changes.get("offer", NO_PLAN), "policy 1"),
        wish=Fact(changes.get("wish", Wish()), "request"),
        boosts=Fact(changes.get("boosts", ()), "bss", 300),
        usage=Fact(changes.get("usage", ()), "bss", 300),
        satellite=Fact(changes.get("satellite", ConsentStatus.NOT_REQUIRED), "bss", 300),
        store=Fact(changes.get("store", NO_STORE), "bss", 300),
    )


def decided(
    question: Question, result: Result = Result.ALLOWED, texts: dict[str, str] | None = None
) -> Decision:
    """Return a decision as a rule of a test would make it."""
    return Decision(question, result, "because", "rule", "1", texts or {})


FEATURES = (
    "volte",
    "vonr",
    "vowifi",
    "smsoip",
    "home_only",
    "eps_fallback",
    "srvcc_5g",
    "srvcc_4g",
    "data_plan",
    "boost_166",
    "satellite",
    "carrier_billing",
)

questions = st.builds(Question, st.sampled_from(FEATURES), st.sampled_from(Area))

COUNTERS = {
    "data": Counter(DataUsageType.CELLULAR, {"en": "Data"}, {"en": "All the data of your plan"}),
    "tethering": Counter(DataUsageType.TETHERING, {}, {}),
}
BOOST_TYPES = (1, 161, 166, 255)
PLMNS = ("99940", "99941", "999042")

plans = st.builds(
    Plan,
    features=st.frozensets(st.sampled_from(FEATURES)),
    data=st.lists(
        st.tuples(st.sampled_from(DataAccessType), st.sampled_from(DataPlanType)),
        max_size=5,
        unique_by=lambda entry: entry[0],
    ).map(tuple),
    boosts=st.lists(
        st.builds(
            PlanBoost,
            st.sampled_from(BOOST_TYPES),
            st.sampled_from(Sale),
            st.lists(
                st.sampled_from(list(TARGETS)).flatmap(
                    lambda name: st.tuples(st.just(name), st.integers(TARGETS[name], 10**9))
                ),
                unique_by=lambda aim: aim[0],
            ).map(tuple),
        ),
        max_size=4,
        unique_by=lambda boost: boost.boost_type,
    ).map(tuple),
    standalone_5g=st.none() | st.booleans(),
    satellite=st.none()
    | st.builds(
        Satellite,
        st.booleans(),
        st.lists(
            st.builds(
                SatelliteNetwork,
                st.sampled_from(PLMNS),
                st.none() | st.sampled_from(DataPlanType),
                st.lists(
                    st.tuples(st.sampled_from(ServiceType), st.sampled_from(ServicePolicy)),
                    max_size=2,
                    unique_by=lambda service: service[0],
                ).map(tuple),
            ),
            max_size=3,
        ).map(tuple),
        st.lists(st.sampled_from(PLMNS), max_size=3).map(tuple),
    ),
    billing=st.none()
    | st.builds(
        Billing,
        st.just({ANY_STORE: None}),
        st.builds(
            BillingTerms,
            st.booleans(),
            st.permutations(list(TcOperation)).flatmap(
                lambda ways: st.integers(1, 2).map(lambda many: tuple(ways[:many]))
            ),
            st.just({"en": "Pay with your bill"}),
            st.just({"en": "Do you agree, up to {limit}?"}),
        ),
    ),
    counters=st.just(COUNTERS),
)

_BASIC = {
    "status": st.sampled_from(SubscriptionStatus),
    "plan": st.sampled_from(["standard", "basic", "gone"]),
    "features": st.frozensets(st.sampled_from(FEATURES)),
    "terms": st.sampled_from(ConsentStatus),
    "address": st.sampled_from(ConsentStatus),
    "provisioning": st.sampled_from(ProvStatus),
    "area": st.sampled_from(Area),
    "visited_plmn": st.sampled_from(["", "00101", "001001", "26201", "99970"]),
    "registration": st.sampled_from(Registration),
    "device": st.builds(
        Device,
        tac=st.sampled_from(["", "35000000", "35000001"]),
        vendor=st.sampled_from(["", "ACME", "acme", "Straße"]),
        model=st.sampled_from(["P1", "p1", "P2"]),
        sw_version=st.just("14"),
    ),
}

any_facts = st.builds(facts, **_BASIC)
"""For what looks at neither the plan's details nor what the subscription holds."""

_STORED = {
    "wish": st.builds(
        Wish, st.none() | st.sampled_from((*BOOST_TYPES, 77)), st.sampled_from(["", "google"])
    ),
    "store": st.builds(
        StoreState,
        st.sampled_from(ConsentStatus),
        st.sampled_from(ProvStatus),
        st.sampled_from(Purchases),
        st.sampled_from(["", str(Money(Decimal("50.00"), "EUR"))]),
    ),
}

stored_facts = st.builds(facts, **_BASIC, **_STORED)
"""For rules, which may ask about stores too."""

all_facts = st.builds(
    facts,
    **_BASIC,
    **_STORED,
    offer=plans,
    boosts=st.lists(
        st.builds(BoostState, st.sampled_from(BOOST_TYPES), st.sampled_from(Purchase)),
        max_size=3,
        unique_by=lambda boost: boost.boost_type,
    ).map(tuple),
    usage=st.lists(
        st.builds(UsageShape, st.sampled_from(list(COUNTERS)), st.booleans(), st.booleans()),
        max_size=2,
        unique_by=lambda shape: shape.counter,
    ).map(tuple),
    satellite=st.sampled_from(ConsentStatus),
)
