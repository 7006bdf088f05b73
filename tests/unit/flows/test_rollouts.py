"""Roll-outs: who is in, who stays in, and that nothing of it is kept too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.network_facts import NOTHING_HEARD
from simgrant.domain.policy import Policy, PolicyError, compile_policy
from simgrant.domain.subscription import Profile, Subscription, SubscriptionStatus
from simgrant.domain.tenant import Tenant
from simgrant.flows.answer import Portal
from simgrant.flows.gather import View, gather, look
from simgrant.flows.verdicts import NO_DEVICE, Asked, Verdicts
from simgrant.identities import Imsi
from simgrant.keyring.ring import SECRET_BYTES, Key, KeyRing, Use
from simgrant.spec.version import SpecVersion

NAMES = ("red", "blue")
RING = KeyRing(
    {
        name: [
            Key(f"{n}", use, 0, 0, bytes([7 * m + n + 1]) * SECRET_BYTES)
            for n, use in enumerate(Use)
        ]
        for m, name in enumerate(NAMES)
    },
    accept_for=1,
)


def policy(percent: float, name: str = "beta", **more: Any) -> Policy:
    rules = [
        {"id": "in", "when": {"rollout": name}, "result": "allowed"},
        {"id": "out", "when": {"rollout": {"not": name}}, "result": "denied"},
    ]
    tables = {"rollouts": {name: {"percent": percent}, "unnamed": {"percent": 50}}}
    return compile_policy({"rule": rules, **tables, **more}, version="1")


def view(made: Policy, number: int, tenant: str = "red", now: float = 0) -> View:
    subscription = Subscription(
        tenant, Imsi(f"00101{number:010}"), None, SubscriptionStatus.ACTIVE, "standard"
    )
    profile = Profile(subscription, None, None, None, heard=NOTHING_HEARD)
    return look(profile, tenant=Tenant(tenant), now=now, roaming_max_age=1, policy=made, ring=RING)


def those_in(made: Policy, tenant: str = "red", most: int = 1000) -> frozenset[int]:
    return frozenset(n for n in range(most) if view(made, n, tenant).rollouts)


numbers = st.integers(0, 10**9)
percents = st.floats(0, 100) | st.integers(0, 100)


@given(number=numbers, one=percents, other=percents)
def test_a_larger_share_keeps_whoever_is_in(number: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    if view(policy(low), number).rollouts:
        assert view(policy(high), number).rollouts == ("beta",)


@given(number=numbers)
def test_nobody_is_in_none_of_it_and_everybody_in_all(number: int) -> None:
    assert view(policy(0), number).rollouts == ()
    assert view(policy(100), number).rollouts == ("beta",)


def test_about_as_many_are_in_as_it_says() -> None:
    # Of 1,000 that draw, three standard deviations are 28.
    assert 72 <= len(those_in(policy(10))) <= 128


def test_each_roll_out_and_each_tenant_draws_anew() -> None:
    half = those_in(policy(50))
    for other in (those_in(policy(50, "gamma")), those_in(policy(50), "blue")):
        assert 200 <= len(half & other) <= 300


def test_what_no_rule_names_is_drawn_for_nobody() -> None:
    assert policy(10).rollouts.keys() == {"beta"}


def test_it_is_a_fact_with_a_source_and_rules_look_at_it() -> None:
    for percent, rule in ((100, "in"), (0, "out")):
        made = policy(percent)
        facts = gather(view(made, 1), NO_DEVICE, policy=made)
        assert facts.rollouts.source == "policy 1"
        verdicts = Verdicts(made, Portal("", 1))
        asked = Asked(("ap2005",), SpecVersion(12, 0), (), None)
        (decision,) = verdicts.of(asked, view(made, 1), NO_DEVICE).verdict.decisions
        assert decision.rule == rule


def test_what_was_kept_ends_with_its_schedule() -> None:
    rules = [
        {"id": "sale", "during": "sale", "result": "allowed"},
        {"id": "else", "result": "denied"},
    ]
    sale = {"from": "1970-01-01T00:00:10Z", "until": "1970-01-01T00:00:20Z"}
    made = compile_policy({"rule": rules, "schedules": {"sale": sale}}, version="1")
    verdicts, asked = (
        Verdicts(made, Portal("", 1)),
        Asked(("ap2005",), SpecVersion(12, 0), (), None),
    )
    for now, rule in ((9.9, "else"), (10, "sale"), (19.9, "sale"), (20, "else"), (12, "sale")):
        kept = verdicts.of(asked, view(made, 1, now=now), NO_DEVICE)
        assert [each.rule for each in kept.verdict.decisions] == [rule]
    assert len(verdicts) == 2


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "percent: must be a number from 0 to 100, not None"),
        ({"percent": 101}, "percent: must be a number from 0 to 100, not 101"),
        ({"percent": -0.1}, "must be a number from 0 to 100"),
        ({"percent": float("nan")}, "must be a number from 0 to 100"),
        ({"percent": True}, "must be a number from 0 to 100, not true"),
        ({"per": 1}, 'unknown key "per"'),
        (3, "must be a table, not 3"),
    ],
    ids=str,
)
def test_mistakes(entry: Any, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(1, rollouts={"beta": entry})
    assert any(problem in str(each) for each in caught.value.problems)


def test_rules_may_name_known_roll_outs_alone() -> None:
    with pytest.raises(PolicyError, match='unknown name "beta"; did you mean "bet"'):
        policy(1, rollouts={"bet": {"percent": 1}})
