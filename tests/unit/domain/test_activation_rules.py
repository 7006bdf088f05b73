"""Rules about who gets an eSIM: ages, what only they may ask for, and signing in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.device_lists import Listing
from simgrant.domain.facts import Area, Device, Fact, Facts, Question
from simgrant.domain.order import Kind
from simgrant.domain.policy import Policy, PolicyError, Result, compile_policy, default_policy
from simgrant.domain.risk import Way
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.spec.ids import ProvStatus

ESIM = ["esim"]
FACTS = Facts(
    status=Fact(SubscriptionStatus.ACTIVE, "x"),
    plan=Fact("standard", "x"),
    features=Fact(frozenset({"esim", "companion"}), "x"),
    terms=Fact(ConsentStatus.GIVEN, "x"),
    address=Fact(ConsentStatus.GIVEN, "x"),
    provisioning=Fact(ProvStatus.NOT_REQUIRED, "x"),
    area=Fact(Area.HOME, "x"),
    visited_plmn=Fact("", "x"),
    device=Fact(Device("", "", "", ""), "x"),
    kind=Fact(Kind.SUBSCRIBE, "x"),
    proof=Fact(Way.SIM, "x"),
    holder_proof=Fact(Way.SIM, "x"),
)
ASKED = Question("esim", Area.HOME)
LAST = {"id": "last", "result": "allowed"}


def policy(*rules: dict[str, Any]) -> Policy:
    numbered = [
        {"id": f"r{number}", "features": ESIM, "result": "denied"} | each
        for number, each in enumerate(rules)
    ]
    return compile_policy({"rule": [*numbered, LAST]}, version="1")


def problems(rule: dict[str, Any]) -> str:
    with pytest.raises(PolicyError) as caught:
        compile_policy({"rule": [{"id": "a", "result": "denied"} | rule]}, version="1")
    return "; ".join(map(str, caught.value.problems))


@given(st.one_of(st.none(), st.integers(0, 200)), st.integers(1, 200))
def test_ages_are_under_or_at_least_and_the_unknown_is_new(age: int | None, hours: int) -> None:
    facts = replace(FACTS, sim_age_h=Fact(age, "x"))
    young = policy({"when": {"sim_age_h": {"under": hours}}}).decide(ASKED, facts)
    old = policy({"when": {"sim_age_h": {"at_least": hours}}}).decide(ASKED, facts)
    assert (young.rule == "r0") is ((age or 0) < hours)
    assert {young.rule, old.rule} == {"r0", "last"}


def test_why_an_age_did_not_hold_is_told_with_it() -> None:
    facts = replace(FACTS, sim_age_h=Fact(0, "SIM swap", 7), imei_age_h=Fact(None, "terminal"))
    rules = policy(
        {"when": {"sim_age_h": {"at_least": 5}}}, {"when": {"imei_age_h": {"at_least": 1}}}
    )
    first, second, _ = rules.explain(ASKED, facts)
    assert first.failed is not None
    assert first.failed.condition == "sim_age_h ≥ 5"
    assert first.failed.values == (("sim_age_h", "0", "SIM swap", 7),)
    assert second.failed is not None
    assert second.failed.values == (("imei_age_h", "unknown", "terminal", None),)


@pytest.mark.parametrize("hours", [0, -1, True, "5", 20 * 8_784 + 1, 1.5])
def test_hours_are_whole_and_bounded(hours: Any) -> None:
    said = problems({"features": ESIM, "when": {"sim_age_h": {"under": hours}}})
    assert "when.sim_age_h: must be hours, 1 to 175680" in said


@pytest.mark.parametrize(
    "rule",
    [
        {"when": {"sim_age_h": {"under": 5}}},
        {"when": {"prepaid": True}, "features": ["esim", "vowifi"]},
        {"when": {"any": [{"status": "active"}, {"tac_list": "denied"}]}, "features": ["vowifi"]},
        {"result": "step_up", "features": ["vowifi"]},
        {"result": "step_up"},
    ],
)
def test_what_is_gathered_for_esims_alone_is_asked_by_their_rules_alone(
    rule: dict[str, Any],
) -> None:
    assert 'only rules with features = ["companion", "esim"] may ask for' in problems(rule)


@pytest.mark.parametrize("way", list(Way))
def test_a_sign_in_is_wanted_of_whoever_has_not_signed_in(way: Way) -> None:
    rules = policy({"result": "step_up"}, {"when": {"kind": "transfer"}})
    facts = replace(FACTS, holder_proof=Fact(way, "x"), kind=Fact(Kind.TRANSFER, "x"))
    decided = rules.decide(ASKED, facts)
    signed_in = way in (Way.OIDC, Way.OTP, Way.PAGE)
    assert decided.result is (Result.DENIED if signed_in else Result.STEP_UP)
    first = rules.explain(ASKED, facts)[0]
    assert first.when == 'holder_proof not in "oidc", "otp", "page"'


def test_a_rule_behind_one_that_wants_a_sign_in_can_be_reached() -> None:
    when = {"prepaid": True}
    policy({"when": when, "result": "step_up"}, {"when": when})
    with pytest.raises(PolicyError, match="can never be reached"):
        policy({"when": when}, {"when": when, "result": "step_up"})
    with pytest.raises(PolicyError, match="can never be reached"):
        policy({"when": when, "result": "step_up"}, {"when": when, "result": "step_up"})


@pytest.mark.parametrize(
    ("feature", "changes", "reason"),
    [
        ("esim", {}, "in_plan"),
        ("companion", {"tac_list": Fact(Listing.DENIED, "x")}, "device_not_allowed"),
        ("esim", {"eid_list": Fact(Listing.DENIED, "x")}, "euicc_not_allowed"),
        ("esim", {"tac_list": Fact(Listing.UNLISTED, "x")}, "in_plan"),
        (
            "esim",
            {"port_freeze": Fact(value=True, source="x"), "kind": Fact(Kind.TRANSFER, "x")},
            "port_freeze",
        ),
        (
            "esim",
            {"port_freeze": Fact(value=True, source="x"), "kind": Fact(Kind.SUBSCRIBE, "x")},
            "in_plan",
        ),
        (
            "companion",
            {"port_freeze": Fact(value=True, source="x"), "kind": Fact(Kind.RECOVER, "x")},
            "in_plan",
        ),
    ],
)
def test_the_default_policy_minds_lists_and_locks(
    feature: str, changes: dict[str, Any], reason: str
) -> None:
    facts = replace(FACTS, **changes)
    assert default_policy().decide(Question(feature, Area.HOME), facts).reason == reason
