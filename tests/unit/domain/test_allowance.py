"""What rules allow otherwise than the plan has it: read, carried in decisions, told to phones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simgrant.domain.facts import Area, Fact, Facts, Question
from simgrant.domain.plans import NO_PLAN
from simgrant.domain.policy import Policy, PolicyError, compile_policy
from simgrant.flows.answer import answer
from simgrant.services import SERVICES
from simgrant.services.own import refuse_taken
from simgrant.spec.version import SpecVersion
from simgrant.wire.negotiate import Format
from simgrant.wire.writers import WRITERS
from tests.unit.domain.samples import facts

V12 = SpecVersion(12, 0)
TOP: dict[str, Any] = {
    "plans": {
        "standard": {
            "features": ["volte", "vonr"],
            "data": {"lte": "unmetered"},
            "satellite": {"activation": "required", "allowed": [{"plmn": "99940"}]},
        }
    },
    "satellite": {"far": {"allowed": [{"plmn": "99941"}], "barred": ["99949"]}},
    "own": {"ap2003": {"X_Quality": "standard", "X_Group": {"a": 1}}, "ap2005": {"X_Sms": 1}},
}


def policy(*rules: dict[str, Any]) -> Policy:
    made = compile_policy({**TOP, "rule": list(rules)}, version="1")
    refuse_taken(made, SERVICES)
    return made


def allowing(given: dict[str, Any], *features: str, **more: Any) -> dict[str, Any]:
    return {"id": "a", "result": "allowed", "with": given, "features": list(features), **more}


def told(made: Policy, app: str, given: Facts) -> str:
    given = replace(given, offer=Fact(made.plan("standard"), "policy 1"))
    answered = answer(
        [app], given, policy=made, version=V12, languages=("en",), flow=lambda _: None
    )
    return WRITERS[Format.XML].push_applications(answered.applications)


REST = {"id": "rest", "result": "allowed", "when": {}}


def test_data_may_be_metered_otherwise() -> None:
    made = policy(
        allowing({"data": {"all": "metered"}}, "data_plan", when={"area": "roaming"}), REST
    )
    assert 'name="DataPlanType" value="Metered"' in told(made, "ap2010", facts(area=Area.ROAMING))
    assert 'name="DataPlanType" value="Unmetered"' in told(made, "ap2010", facts(area=Area.HOME))


def test_no_rule_gives_a_plan_what_it_lacks_nor_spares_an_activation() -> None:
    allowance = policy(allowing({"satellite": "far"}, "satellite"), REST).rules[0].allowance
    assert allowance.on(NO_PLAN) == NO_PLAN
    plan = policy(REST).plan("standard")
    changed = allowance.on(plan).satellite
    assert changed is not None
    assert [each.plmn for each in changed.allowed] == ["99941"]
    assert (changed.barred, changed.activation) == (("99949",), True)
    metered = policy(allowing({"data": {"all": "metered"}}, "data_plan"), REST).rules[0].allowance
    assert metered.on(NO_PLAN) == NO_PLAN


def test_own_parameters_have_the_value_of_the_first_question_s_rule() -> None:
    made = policy(
        allowing({"X_Quality": "high"}, "volte", when={"area": "home"}),
        {**allowing({"X_Quality": 2}, "vonr"), "id": "b"},
        REST,
    )
    text = told(made, "ap2003", facts())
    assert 'name="X_Quality" value="high"' in text
    assert "X_Group" in text
    assert "X_Quality" not in told(made, "ap2005", facts())
    plain = told(policy(REST), "ap2003", facts())
    assert 'name="X_Quality" value="standard"' in plain


def test_a_decision_and_its_explanation_say_what_is_otherwise() -> None:
    made = policy(allowing({"X_Quality": "high"}, "volte", care="Says why."), REST)
    question = Question("volte", Area.HOME)
    assert made.decide(question, facts()).allowance.own == (("X_Quality", "high"),)
    (trace,) = made.explain(question, facts())
    assert (trace.care, trace.allowance.text) == ("Says why.", 'X_Quality = "high"')


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (allowing({}, "volte"), "with: is empty"),
        (allowing({"X_Qualty": 1}, "volte"), 'did you mean "X_Quality"?'),
        (allowing({"X_Group": "x"}, "volte"), 'unknown name "X_Group"'),
        (allowing({"X_Quality": "a<b"}, "volte"), "with.X_Quality: must not hold <"),
        (allowing({"X_Quality": True}, "volte"), "with.X_Quality: must be a text"),
        (
            allowing({"X_Quality": "x"}, "vowifi"),
            "with.X_Quality: none of its features is asked for by ap2003",
        ),
        (
            allowing({"data": {"all": "metered"}}, "volte"),
            'with.data: only rules with features = ["data_plan"] have it',
        ),
        (allowing({"data": {"wimax": "metered"}}, "data_plan"), "with.data: unknown key"),
        (allowing({"satellite": "near"}, "satellite"), 'with.satellite: unknown name "near"'),
        (
            {**allowing({"X_Quality": "x"}, "volte"), "result": "denied"},
            'with: is of no use with result = "denied"',
        ),
        (allowing({"X_Quality": "x"}, "volte", care="a\nb"), "care: must be a line of 1 to 500"),
        (allowing({"X_Quality": "x"}, "volte", care=3), "care: must be a line of 1 to 500"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_mistakes(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(rule, REST)
    assert problem in str(caught.value.problems[0])
