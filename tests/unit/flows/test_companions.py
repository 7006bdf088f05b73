"""How many companions a line has: counted from its orders, and only where something looks at it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.companions import NOT_COUNTED, Companions, Counted, count
from simgrant.domain.facts import NOBODY, Area, Fact, Facts, Question
from simgrant.domain.order import LIVE, OrderState
from simgrant.domain.policy import PolicyError, default_policy_text, parse_policy
from simgrant.domain.subscription import Profile
from simgrant.flows.gather import counting, gather, look, times_of
from simgrant.services import SERVICES
from simgrant.spec.ids import AppId
from tests.unit.domain.samples import PHONE
from tests.unit.flows.orders import an_order
from tests.unit.flows.test_told_facts import NOW, OURS, POLICY, RING, TENANT

ORDER = an_order()


@given(
    st.lists(st.tuples(st.sampled_from(OrderState), st.booleans(), st.integers(1, 99)), max_size=5)
)
def test_those_count_that_have_an_esim_or_will(
    orders: list[tuple[OrderState, bool, int]],
) -> None:
    found = count(
        replace(
            ORDER,
            state=state,
            app_id=AppId.ODSA_COMPANION if theirs else AppId.ODSA_PRIMARY,
            changed_at=at,
        )
        for state, theirs, at in orders
    )
    live = [state for state, theirs, _ in orders if theirs and state in LIVE]
    assert found.companions == Companions(len(live), live.count(OrderState.ACTIVE))
    assert found.at == max((at for _, theirs, at in orders if theirs), default=0)


def test_one_that_was_set_aside_is_none() -> None:
    aside = replace(ORDER, state=OrderState.ACTIVE, place=f"aside {ORDER.order_id}")
    assert aside.is_aside
    assert count([replace(aside, app_id=AppId.ODSA_COMPANION)]).companions == Companions()


def facts_of(counted: Counted) -> Facts:
    profile = Profile(OURS, None, None, None, counted=counted)
    view = look(profile, tenant=TENANT, policy=POLICY, ring=RING, now=NOW, roaming_max_age=3600)
    return gather(view, PHONE, policy=POLICY, times=times_of(profile, now=NOW))


def test_the_fact_has_its_source_and_age() -> None:
    assert facts_of(NOT_COUNTED).companions == Fact(Companions(), NOBODY)
    assert facts_of(Counted(Companions())).companions == Fact(Companions(), "eSIM orders")
    found = facts_of(Counted(Companions(2, 1), NOW - 7)).companions
    assert found == Fact(Companions(2, 1), "eSIM orders", NOW - 7)
    assert str(found.value) == "2, 1 of them active"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("companions = { at_least = 2 }", True),
        ("companions = { at_least = 3 }", False),
        ("active_companions = { under = 2 }", True),
        ("active_companions = { under = 1 }", False),
        ('expr = "companions - active_companions == 1"', True),
    ],
)
def test_rules_look_at_how_many_there_are(when: str, holds: bool) -> None:
    from simgrant.adapters.expressions.cel import open_expressions

    policy = parse_policy(
        f'[[rule]]\nid = "r"\nwhen = {{ {when} }}\nresult = "denied"\n' + default_policy_text(),
        expressions=open_expressions(),
    )
    assert policy.looks_at_companions
    decision = policy.decide(
        Question("volte", Area.HOME), facts_of(Counted(Companions(2, 1), NOW - 7))
    )
    assert (decision.rule == "r") is holds


def test_nobody_counts_where_nothing_looks_at_it() -> None:
    assert not POLICY.looks_at_companions
    assert counting(POLICY) == {app for app, each in SERVICES.items() if "companions" in each.needs}
    rule = '[[rule]]\nid = "r"\nwhen = { companions = { under = 1 } }\nresult = "denied"\n'
    assert counting(parse_policy(rule + default_policy_text())) == frozenset(SERVICES)


@pytest.mark.parametrize("number", ["0", "-1", "1001", "true", '"1"'])
def test_what_is_no_number_is_a_mistake(number: str) -> None:
    rule = (
        f'[[rule]]\nid = "r"\nwhen = {{ companions = {{ under = {number} }} }}\nresult = "denied"\n'
    )
    with pytest.raises(PolicyError, match="must be a number, 1 to 1000"):
        parse_policy(rule + default_policy_text())
