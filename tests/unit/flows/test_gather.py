"""Where facts come from, and since when."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from simgrant.domain.facts import (
    NO_STORE,
    Area,
    BoostState,
    Purchases,
    StoreState,
    UsageShape,
    Wish,
)
from simgrant.domain.holdings import (
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holdings,
    Money,
    Purchase,
)
from simgrant.domain.network_facts import Heard, Learned, Registration
from simgrant.domain.policy import default_policy, parse_policy
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.errors import BadRequest
from simgrant.flows.gather import (
    NOTHING_HELD,
    NOTHING_MORE,
    gather,
    held,
    look,
    times_of,
    wanted,
)
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.identities import Imsi
from simgrant.keyring.ring import SECRET_BYTES, Key, KeyRing, Use
from simgrant.spec.ids import MsgButton, ProvStatus
from simgrant.wire.request import Ask, StoreClaim, ask, pull_query

POLICY = default_policy()
RING = KeyRing(
    {"default": [Key("0", use, 0, 0, bytes([1]) * SECRET_BYTES) for use in Use]}, accept_for=1
)
SUBSCRIPTION = Subscription(
    "default", Imsi("001010000000001"), None, SubscriptionStatus.ACTIVE, "standard", changed_at=10
)
TERMS = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, "1", at=20, expires_at=100)
PROFILE = Profile(SUBSCRIPTION, TERMS, None, None)


@pytest.mark.parametrize(
    ("now", "value", "source", "at"),
    [
        (99, ConsentStatus.GIVEN, "terms consent", 20),
        (100, ConsentStatus.MISSING, "terms consent, expired", 100),
    ],
)
def test_an_expired_consent_is_missing_since_its_end(
    now: int, value: ConsentStatus, source: str, at: int
) -> None:
    view = look(
        PROFILE, tenant=Tenant("default"), now=now, roaming_max_age=60, policy=POLICY, ring=RING
    )
    facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(PROFILE, now=now))
    assert (facts.terms.value, facts.terms.source, facts.terms.at) == (value, source, at)
    assert (facts.address.value, facts.address.at) == (ConsentStatus.MISSING, None)
    assert facts.plan.at == 10


def test_a_place_too_old_is_unknown_and_keeps_its_age() -> None:
    seen = replace(PROFILE, subscription=replace(SUBSCRIPTION, visited_plmn="26201", visited_at=30))
    for now, plmn in ((90, "26201"), (91, "")):
        view = look(
            seen, tenant=Tenant("default"), now=now, roaming_max_age=60, policy=POLICY, ring=RING
        )
        facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(seen, now=now))
        assert (facts.visited_plmn.value, facts.visited_plmn.at) == (plmn, 30)


@pytest.mark.parametrize(
    ("reported", "told", "plmn", "source", "at"),
    [
        (0, 50, "26201", "location, hss.home", 50),
        (40, 50, "26201", "location, hss.home", 50),
        (60, 50, "00101", "location", 60),
        (60, None, "00101", "location", 60),
        (0, None, "", "location", None),
    ],
)
def test_the_newest_place_is_where_he_is(
    reported: int, told: int | None, plmn: str, source: str, at: int | None
) -> None:
    heard = Heard(None if told is None else Learned("26201", "hss.home", told, 70))
    row = replace(SUBSCRIPTION, visited_plmn="00101" if reported else "", visited_at=reported)
    seen = replace(PROFILE, subscription=row, heard=heard)
    home = Tenant("default", frozenset(), (Plmn("001", "01"),), frozenset(), ())
    view = look(seen, tenant=home, now=70, roaming_max_age=60, policy=POLICY, ring=RING)
    facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(seen, now=70))
    assert (facts.visited_plmn.value, facts.visited_plmn.source, facts.visited_plmn.at) == (
        plmn,
        source,
        at,
    )
    area = {"26201": Area.ROAMING, "00101": Area.HOME, "": Area.UNKNOWN}[plmn]
    assert (facts.area.value, facts.area.source, facts.area.at) == (area, source, at)


def test_whether_a_phone_is_registered_is_the_network_s_to_say() -> None:
    heard = Heard(registration=Learned("not_registered", "udm.home", 50, 70))
    for seen, value, source, at in (
        (PROFILE, Registration.UNKNOWN, "nobody told", None),
        (
            replace(PROFILE, heard=heard),
            Registration.NOT_REGISTERED,
            "registration, udm.home",
            50,
        ),
    ):
        view = look(
            seen, tenant=Tenant("default"), now=70, roaming_max_age=60, policy=POLICY, ring=RING
        )
        facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(seen, now=70))
        known = facts.registration
        assert (known.value, known.source, known.at) == (value, source, at)


# --- what a request wants ------------------------------------------------------------------


def asked(query: str) -> Ask:
    return ask(pull_query(query.encode()))


STORE = "store_vendor=Google&store_user_id=User-1"


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ("app=ap2010", Wish()),
        ("app=ap2010&boost_type=0", Wish(166)),
        ("app=ap2010&boost_type=166", Wish(166)),
        ("app=ap2010&boost_type=255", Wish(255)),
        (f"app=ap2010&{STORE}", Wish()),
        (f"app=ap2012&{STORE}&boost_type=junk", Wish(None, "google")),
        (f"app=ap2012&app=ap2010&{STORE}&boost_type=1", Wish(1, "google")),
        ("app=ap2004&boost_type=junk&MSG_btn=junk", Wish()),
        ("app=ap2016&boost_type=1", Wish()),
    ],
)
def test_a_request_wants_what_its_applications_look_at(query: str, wish: Wish) -> None:
    request = asked(query)
    assert wanted(request, request.apps).wish == wish


def test_the_button_comes_with_the_store() -> None:
    found = wanted(asked(f"app=ap2012&{STORE}&MSG_btn=1"), ["ap2012"])
    assert (found.store, found.button) == (StoreClaim("google", "User-1"), MsgButton.ACCEPTED)
    assert "User-1" not in repr(found)
    assert found.about("ap2012") == ("google", "User-1")
    assert found.about("ap2016") == ()


@pytest.mark.spec("TS.43 §2.10")
def test_what_an_application_cannot_do_without_is_asked_of_it_alone() -> None:
    with pytest.raises(BadRequest, match="parameter_missing"):
        wanted(asked("app=ap2012&store_vendor=google"), ["ap2012"])
    assert wanted(asked("app=ap2010"), ["ap2010", "ap2004"]) == NOTHING_MORE


# --- what a subscription holds -------------------------------------------------------------

PREMIUM = replace(SUBSCRIPTION, plan="premium")
GOOGLE = StoreClaim("google", "u1")


def of(holdings: Holdings, plan: str = "premium") -> Profile:
    return replace(PROFILE, subscription=replace(SUBSCRIPTION, plan=plan), held=holdings)


def test_what_is_held_is_looked_at_for_applications_that_need_it() -> None:
    profile = of(Holdings(boosts=(HeldBoost(166, Purchase.ACTIVE),)))
    for app in ("ap2003", "ap2004", "ap2005"):
        assert held(profile, (app,), GOOGLE, policy=POLICY, now=0) is NOTHING_HELD
    assert held(profile, ("ap2004", "ap2010"), GOOGLE, policy=POLICY, now=0).boosts
    for app in ("ap2012", "ap2016"):
        assert not held(profile, (app,), GOOGLE, policy=POLICY, now=0).boosts
    data = held(profile, ("ap2010",), GOOGLE, policy=POLICY, now=0)
    assert (data.satellite, data.store) == (ConsentStatus.NOT_REQUIRED, NO_STORE)


@pytest.mark.parametrize(
    ("now", "purchase"), [(99, Purchase.ACTIVE), (100, Purchase.EXPIRED), (9999, Purchase.EXPIRED)]
)
def test_a_boost_ends_by_itself(now: int, purchase: Purchase) -> None:
    boosts = (HeldBoost(200, Purchase.IN_PROGRESS), HeldBoost(166, Purchase.ACTIVE, until=100))
    found = held(of(Holdings(boosts=boosts)), ("ap2010",), GOOGLE, policy=POLICY, now=now)
    assert found.boosts == (
        BoostState(166, purchase),
        BoostState(200, Purchase.IN_PROGRESS),
    )


@pytest.mark.parametrize(
    ("now", "shapes"),
    [
        (99, (UsageShape("data", False, True), UsageShape("tethering", True, False))),
        (100, (UsageShape("tethering", True, False),)),
    ],
)
def test_counters_of_the_policy_until_their_cycle_is_over(
    now: int, shapes: tuple[UsageShape, ...]
) -> None:
    usage = (
        HeldUsage("tethering", 5, allowance=10),
        HeldUsage("unheard_of", 5),
        HeldUsage("data", 5, cycle_end=100),
    )
    found = held(of(Holdings(usage=usage)), ("ap2010",), GOOGLE, policy=POLICY, now=now)
    assert found.usage == shapes


@pytest.mark.parametrize(
    ("plan", "known", "expected"),
    [
        ("premium", None, ConsentStatus.MISSING),
        ("premium", HeldSatellite(ConsentStatus.GIVEN), ConsentStatus.GIVEN),
        ("premium", HeldSatellite(ConsentStatus.IN_PROGRESS), ConsentStatus.IN_PROGRESS),
        ("standard", HeldSatellite(ConsentStatus.MISSING), ConsentStatus.NOT_REQUIRED),
    ],
)
def test_satellite_has_to_be_switched_on_where_the_plan_says_so(
    plan: str, known: HeldSatellite | None, expected: ConsentStatus
) -> None:
    profile = of(Holdings(satellite=known), plan)
    assert held(profile, ("ap2016",), GOOGLE, policy=POLICY, now=0).satellite is expected


def euros(amount: str) -> Money:
    return Money(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    ("spent", "limit", "resets_at", "purchases", "shown"),
    [
        (None, None, None, Purchases.UNKNOWN, "50.00 EUR"),
        (euros("49.99"), None, None, Purchases.BELOW_LIMIT, "50.00 EUR"),
        (euros("50"), None, None, Purchases.LIMIT_REACHED, "50.00 EUR"),
        (euros("50"), None, 100, Purchases.BELOW_LIMIT, "50.00 EUR"),
        (euros("50"), None, 101, Purchases.LIMIT_REACHED, "50.00 EUR"),
        (euros("10"), euros("10.00"), None, Purchases.LIMIT_REACHED, "10.00 EUR"),
        (euros("10"), euros("99.00"), None, Purchases.BELOW_LIMIT, "50.00 EUR"),
        (Money(Decimal(1), "USD"), None, None, Purchases.UNKNOWN, "50.00 EUR"),
        (euros("1"), Money(Decimal(1), "USD"), None, Purchases.BELOW_LIMIT, "50.00 EUR"),
    ],
)
def test_spending_limits(
    spent: Money | None,
    limit: Money | None,
    resets_at: int | None,
    purchases: Purchases,
    shown: str,
) -> None:
    row = HeldBilling(
        "google",
        "u1",
        ConsentStatus.GIVEN,
        ProvStatus.PROVISIONED,
        spent=spent,
        limit=limit,
        resets_at=resets_at,
    )
    found = held(of(Holdings(billing=(row,))), ("ap2012",), GOOGLE, policy=POLICY, now=100)
    assert found.store == StoreState(ConsentStatus.GIVEN, ProvStatus.PROVISIONED, purchases, shown)


def test_another_user_of_the_store_has_agreed_to_nothing() -> None:
    row = HeldBilling("google", "u2", ConsentStatus.GIVEN)
    found = held(of(Holdings(billing=(row,))), ("ap2012",), GOOGLE, policy=POLICY, now=0)
    assert found.store.terms is ConsentStatus.MISSING


def test_a_plan_without_the_store_sells_nothing() -> None:
    row = HeldBilling("google", "u1", ConsentStatus.GIVEN)
    profile = of(Holdings(billing=(row,)), "standard")
    assert held(profile, ("ap2012",), GOOGLE, policy=POLICY, now=0).store == NO_STORE


def test_terms_that_the_policy_does_not_ask_for() -> None:
    policy = parse_policy(
        '[[rule]]\nid = "a"\nresult = "allowed"\n'
        '[plans.premium]\nfeatures = []\ncarrier_billing = { google = "unlimited" }\n'
    )
    for rows in ((), (HeldBilling("google", "u1", ConsentStatus.MISSING),)):
        found = held(of(Holdings(billing=rows)), ("ap2012",), GOOGLE, policy=policy, now=0)
        assert found.store.terms is ConsentStatus.NOT_REQUIRED
        assert (found.store.purchases, found.store.limit) == (Purchases.NO_LIMIT, "")


def test_facts_of_what_is_held_say_who_told_them_and_when() -> None:
    profile = of(
        Holdings(
            boosts=(HeldBoost(166, Purchase.ACTIVE, at=5), HeldBoost(1, Purchase.ACTIVE, at=7)),
            usage=(HeldUsage("data", 1, at=8),),
            satellite=HeldSatellite(ConsentStatus.GIVEN, at=9),
            billing=(HeldBilling("google", "u1", ConsentStatus.GIVEN, at=6),),
        )
    )
    found = held(profile, ("ap2010", "ap2012", "ap2016"), GOOGLE, policy=POLICY, now=50)
    view = look(
        profile,
        tenant=Tenant("default"),
        now=50,
        roaming_max_age=60,
        policy=POLICY,
        ring=RING,
        held=found,
    )
    facts = gather(view, NO_DEVICE, policy=POLICY, times=times_of(profile, now=50))
    assert (facts.boosts.source, facts.boosts.at) == ("boosts", 7)
    assert (facts.usage.source, facts.usage.at) == ("usage", 8)
    assert (facts.satellite.source, facts.satellite.at) == ("satellite opt-in", 9)
    assert (facts.store.source, facts.store.at) == ("store", 6)
    assert facts.offer.value is POLICY.plan("premium")
