"""What facts are made of what a BSS told: each says who told it, the rest is the store's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.facts import NOBODY, Area, Fact, Facts
from simgrant.domain.network_facts import Heard, Learned
from simgrant.domain.policy import default_policy, default_policy_text, parse_policy
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import (
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.domain.told import SETTLES_S, Told, effective
from simgrant.flows.esim_rules import by_bss
from simgrant.flows.gather import gather, look, times_of
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import SECRET_BYTES, Key, KeyRing, Use
from simgrant.ports.risk import Risk
from simgrant.spec.ids import ProvStatus
from tests.unit.domain.samples import PHONE

POLICY = default_policy()
RING = KeyRing(
    {"default": [Key("0", use, 0, 0, bytes([1]) * SECRET_BYTES) for use in Use]}, accept_for=1
)
TENANT = Tenant("default", plmns=(Plmn("001", "01"),))
NOW = 1_000_000_000
BY_BSS, TELLS = "subscription, bss.main", "bss.main"
OURS = Subscription(
    "default",
    Imsi("001010000000001"),
    Msisdn("447700900001"),
    SubscriptionStatus.ACTIVE,
    "basic",
    changed_at=NOW - 50,
)


def told(found: Eligibility | None, **times: int) -> Told:
    return Told(
        eligibility=found,
        asked=frozenset(Aspect),
        source="bss.main",
        changed_at=NOW - 20,
        asked_at=times.pop("asked_at", NOW - 10),
        **times,
    )


def facts_of(found: Eligibility, *, ours: Subscription = OURS, heard: Heard | None = None) -> Facts:
    profile = effective(Profile(ours, None, None, None), told(found))
    if heard is not None:
        profile = replace(profile, heard=heard)
    view = look(profile, tenant=TENANT, policy=POLICY, ring=RING, now=NOW, roaming_max_age=3600)
    return gather(view, PHONE, policy=POLICY, times=times_of(profile, now=NOW))


def test_what_is_told_takes_the_place_of_the_store_s() -> None:
    found = facts_of(
        Eligibility(
            plan="premium",
            terms=ConsentStatus.GIVEN,
            provisioning=ProvStatus.IN_PROGRESS,
        )
    )
    assert found.plan == Fact("premium", BY_BSS, NOW - 10)
    assert found.terms == Fact(ConsentStatus.GIVEN, "terms consent, bss.main", NOW - 10)
    assert found.provisioning == Fact(ProvStatus.IN_PROGRESS, BY_BSS, NOW - 10)
    # Nothing was told of these.
    assert found.status == Fact(SubscriptionStatus.ACTIVE, "subscription", NOW - 50)
    assert found.address.source == "address consent"
    assert "companion" in found.features.value


def test_options_add_what_needs_no_more_than_a_name() -> None:
    found = facts_of(
        Eligibility(options=frozenset({"vowifi", "satellite", "boost_166", "nonsense"}))
    )
    assert found.features.value == POLICY.features_of("basic") | {"vowifi", "nonsense"}
    assert found.features.source == f"policy {POLICY.version}; options, bss.main"
    assert found.options.at == NOW - 10


def test_refusals_stand_beside_the_plan() -> None:
    found = facts_of(Eligibility(plan="standard", refusals=frozenset({"vowifi"})))
    assert found.refusals == Fact(frozenset({"vowifi"}), "refusals, bss.main", NOW - 10)
    assert "vowifi" in found.features.value
    assert facts_of(Eligibility()).refusals == Fact(frozenset(), NOBODY)


@pytest.mark.parametrize(
    ("since", "days"),
    [(None, None), (NOW, 0), (NOW - 86_399, 0), (NOW - 86_400, 1), (NOW + 5, 0)],
)
def test_tenure_is_whole_days(since: int | None, days: int | None) -> None:
    assert facts_of(Eligibility(customer_since=since)).tenure_d.value == days


def test_the_newer_place_counts_whoever_told_it() -> None:
    abroad, ours = Eligibility(visited_plmn="26201"), replace(OURS, visited_plmn="00101")
    found = facts_of(abroad, ours=replace(ours, visited_at=NOW - 5))
    assert found.area == Fact(Area.ROAMING, "location, bss.main", NOW - 10)
    for at, area, source in (
        (NOW - 11, Area.ROAMING, "location, bss.main"),
        (NOW - 9, Area.HOME, "location, hss.home"),
    ):
        heard = Heard(Learned("00101", "hss.home", at, at))
        found = facts_of(abroad, heard=heard)
        assert (found.area.value, found.area.source) == (area, source)


def test_rules_look_at_what_was_told() -> None:
    assert POLICY.looks_at_bss.isdisjoint({Aspect.CUSTOMER_SINCE, Aspect.SIM_SINCE})
    assert {Aspect.STATUS, Aspect.PLAN, Aspect.TERMS, Aspect.PORT_FREEZE} <= POLICY.looks_at_bss
    rule = '\n[[rule]]\nid = "new"\nwhen = { tenure_d = { under = 90 } }\nresult = "denied"\n'
    by_tenure = parse_policy(default_policy_text() + rule)
    assert Aspect.CUSTOMER_SINCE in by_tenure.looks_at_bss


def test_what_speaks_against_an_esim_is_the_bss_s_where_it_tells_it() -> None:
    ours = Risk(
        Fact(5, "subscription", 5),
        Fact(6, "terminal", 6),
        Fact(value=False, source=NOBODY),
        Fact(value=True, source="prepaid", at=7),
        Fact(NumberType.UNKNOWN, NOBODY),
    )
    found = Eligibility(sim_since=NOW - 3600, port_freeze=True, number_type=NumberType.M2M)
    risk = by_bss(ours, told(found))
    source = "line, bss.main"
    assert risk.sim_since == Fact(NOW - 3600, source, NOW - 10)
    assert risk.port_freeze == Fact(value=True, source=source, at=NOW - 10)
    assert risk.number_type == Fact(NumberType.M2M, source, NOW - 10)
    assert (risk.imei_since, risk.prepaid) == (ours.imei_since, ours.prepaid)
    assert by_bss(ours, None) is ours
    assert by_bss(ours, told(None)) is ours


def test_what_was_known_before_an_event_wakes_no_suspended_line() -> None:
    suspended = Profile(replace(OURS, status=SubscriptionStatus.SUSPENDED), None, None, None)
    found = Eligibility(status=SubscriptionStatus.ACTIVE, plan="premium")
    for good_s, doubted_at, status in (
        (None, NOW, SubscriptionStatus.ACTIVE),
        (60, 0, SubscriptionStatus.ACTIVE),
        (60, NOW - 10 - SETTLES_S, SubscriptionStatus.ACTIVE),
        (60, NOW, SubscriptionStatus.SUSPENDED),
    ):
        was = replace(told(found, doubted_at=doubted_at), good_s=good_s)
        made = effective(suspended, was).subscription
        assert (made.status, made.plan) == (status, "premium")
