"""Expressions in rules: checked when the policy is read, a denial where they fail."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simgrant.adapters.expressions.cel import open_expressions
from simgrant.domain.expressions import BadExpression, names_in
from simgrant.domain.facts import Area, Device, Facts, Question
from simgrant.domain.lint import lint
from simgrant.domain.policy import Policy, PolicyError, Result, compile_policy
from simgrant.flows.answer import Portal
from simgrant.flows.verdicts import Asked, Verdicts
from simgrant.spec.version import SpecVersion
from tests.unit.domain.samples import FEATURES, facts, questions, stored_facts
from tests.unit.flows.test_verdicts import VIEW

CEL = open_expressions()
VOWIFI = Question("vowifi", Area.HOME)
PLANS = {"standard": {"features": ["vowifi"]}, "basic": {"features": []}}


def policy(*rules: dict[str, Any], **top: Any) -> Policy:
    entries = [{"id": f"r{n}", "result": "allowed", **each} for n, each in enumerate(rules)]
    return compile_policy({"plans": PLANS, "rule": entries, **top}, version="1", expressions=CEL)


def when(expr: str, **more: Any) -> dict[str, Any]:
    return {"when": {"expr": expr, **more}}


def problem(*rules: dict[str, Any]) -> str:
    with pytest.raises(PolicyError) as caught:
        policy(*rules)
    (found,) = caught.value.problems
    return str(found)


@pytest.mark.parametrize(
    ("expr", "holds"),
    [
        ("plan == 'standard' && status == \"active\"", True),
        ("plan.startsWith('stand') != in_plan", False),
        ("'vowifi' in features && features.exists(f, f.startsWith('vo'))", True),
        ("area == 'home' ? visited_mcc == '001' : false", True),
        ("feature == 'vowifi' && size(features) >= 4", True),
        ("tac.matches('^35[0-9]{6}$') && vendor == 'acme' && model == 'p1'", True),
        ("provisioning in ['in_progress', 'not_provisioned']", False),
        ("rollout == []", True),
    ],
)
def test_they_see_facts_as_conditions_do(expr: str, holds: bool) -> None:
    made = policy(when(expr), {"result": "denied"})
    assert made.decide(VOWIFI, facts()).rule == ("r0" if holds else "r1")


def test_they_stand_beside_other_conditions_and_in_groups() -> None:
    made = policy(
        when("plan == 'standard'", area="roaming"),
        {"when": {"any": [{"expr": "plan == 'basic'"}, {"status": "active"}]}},
    )
    assert made.decide(VOWIFI, facts()).rule == "r1"
    # It is asked last, wherever it stands.
    assert made.rules[0].when == "area = \"roaming\" and plan == 'standard'"


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("plam == 'x'", 'when.expr: unknown name "plam"; did you mean "plan"?'),
        ("plan == 3", "found no matching overload for '_==_' applied to '(string, int)'"),
        ("plan ==", "Syntax error: mismatched input '<EOF>' (at 1:8)"),
        ("plan == \0'x'", "Syntax error: token recognition error"),
        ("true || " * 12_500 + "true", "must have 1 to 1000 characters"),
        ("[1].all(a, " * 6 + "true" + ")" * 6, "goes through a list for each entry of another"),
        ("plan", "yields STRING, not bool"),
        ("dyn(plan)", "yields DYN, not bool"),
        ("", "must have 1 to 1000 characters"),
        ("true ||" * 200 + "true", "must have 1 to 1000 characters"),
        ("(" * 17 + "true" + ")" * 17, "is nested deeper than 16 brackets"),
        (
            "features.all(a, features.all(b, a == b))",
            "goes through a list for each entry of another",
        ),
        ("features.exists (a, [1].all(b, true))", "goes through a list for each entry of another"),
        (" && ".join(["features.all(a, true)"] * 4), "goes through lists more than 3 times"),
        ("plan == '\ud800'", "is no text of characters"),
        ("sim_age_h > 3", "only rules with features ="),
    ],
    ids=lambda each: each[:30],
)
def test_mistakes_are_found_when_it_is_read(expr: str, said: str) -> None:
    assert said in problem(when(expr))


def test_what_is_no_text_is_a_mistake() -> None:
    assert "when.expr: must be an expression in quotes, not 3" in problem({"when": {"expr": 3}})


def test_without_the_extra_it_says_what_to_install() -> None:
    data = {"plans": PLANS, "rule": [{"id": "a", "result": "allowed", **when("in_plan")}]}
    with pytest.raises(PolicyError, match=r"extra that is not installed: simgrant\[cel\]"):
        compile_policy(data, version="1")


@pytest.mark.parametrize(
    ("expr", "given", "said"),
    [
        ("size(plan) / (size(plan) - 8) > 0", facts(), "divide by zero"),
        ("sim_age_h > 3", facts(), 'No value with name "sim_age_h"'),
        ("model == 'x'", facts(device=Device("", "", "x" * 257, "")), 'with name "model"'),
        ("model == 'x'", facts(device=Device("", "", "\ud800", "")), ""),
        ("dyn(plan) > 3", facts(), "No matching overloads"),
        ("size(plan) * 9223372036854775807 > 1", facts(), "integer overflow"),
        ("features.map(f, f)[9] == 'x'", facts(), "index"),
    ],
    ids=lambda each: each[:30] if isinstance(each, str) else "",
)
def test_what_fails_is_a_denial_that_says_so(expr: str, given: Facts, said: str) -> None:
    esim = {"features": ["esim"]} if "sim_age" in expr else {}
    made = policy({**when(expr), **esim, "text": {"en": "Yes"}, "care": "Look."}, {})
    question = Question("esim", Area.HOME) if esim else VOWIFI
    decision = made.decide(question, given)
    assert (decision.result, decision.reason, decision.rule, decision.texts) == (
        Result.DENIED,
        "expression_failed",
        "r0",
        {},
    )
    (trace,) = made.explain(question, given)
    assert (trace.result, trace.reason, trace.rule, trace.held, trace.care) == (
        Result.DENIED,
        "expression_failed",
        "r0",
        True,
        "Look.",
    )
    assert said in trace.error
    assert len(trace.error) < 150


def test_the_first_rule_may_be_the_one_that_fails_or_a_later_one() -> None:
    broken = when("size(plan) / 0 > 1")
    assert policy({"when": {"plan": "basic"}}, broken, {}).decide(VOWIFI, facts()).rule == "r1"
    assert policy(broken, {}).decide(VOWIFI, facts()).rule == "r0"
    assert policy({"when": {"plan": "standard"}}, broken).decide(VOWIFI, facts()).rule == "r0"


def test_what_is_decided_before_asks_no_expression() -> None:
    made = policy(when("size(plan) / 0 > 1", plan="basic"), {})
    assert made.decide(VOWIFI, facts()).rule == "r1"
    any_of = {"any": [{"plan": "standard"}, {"expr": "size(plan) / 0 > 1"}]}
    assert policy({"when": any_of}).decide(VOWIFI, facts()).result is Result.ALLOWED


def test_a_verdict_of_it_is_kept_like_any_other() -> None:
    made = policy(when("size(plan) / 0 > 1"), {})
    kept = Verdicts(made, Portal("", 1)).of(
        Asked(("ap2005",), SpecVersion(12, 0), (), None), VIEW, Device("", "", "", "")
    )
    assert b'"expression_failed"' in kept.verdict.record


def test_what_it_looks_at_is_known() -> None:
    made = policy(when("tac == '' || visited_mcc == ''"), {})
    assert made.looks_at_device
    assert made.looks_at_network
    assert not policy(when("plan == 'tac'"), {}).looks_at_device


def test_lint_takes_it_for_something_that_holds_or_does_not() -> None:
    text = """
        [[rule]]
        id = "a"
        when = { expr = "plan == 'x'" }
        result = "allowed"
        [[rule]]
        id = "b"
        when = { expr = "plan == 'x'", area = "home" }
        result = "allowed"
        [[rule]]
        id = "c"
        when = { expr = "plan == 'y'" }
        result = "allowed"
    """
    data = tomllib.loads(text)
    made = compile_policy(data, version="1", expressions=CEL)
    assert [each.where for each in lint(made, data)] == ['rule "b"']


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("1 / 0 > 1", "divide by zero"),
        ("[1][2] == 1", "index"),
        ("plan.matches('(')", "missing )"),
        ("in_plan && matches(plan, r'[a')", "missing ]"),
        ("(plan + 'x').matches ( '''*''' )", "no argument for repetition"),
        # Who knows what these say, or they say something.
        ("size(plan) / (size(plan) - 8) > 0", None),
        ("in_plan || 1 / 0 > 1", None),
        ("plan.matches('(a+)+$')", None),
        ("plan.matches('(' + area)", None),
        ("plan.matches(')' + '(')", None),
        ("plan in ['matches(', '(']", None),
        ("plan == '\\u0000'", None),
        ("1 < 2", None),
    ],
)
def test_lint_says_what_fails_for_everybody(expr: str, said: str | None) -> None:
    data = {"plans": PLANS, "rule": [{"id": "r", "result": "allowed", **when(expr)}]}
    found = [str(each) for each in lint(compile_policy(data, version="1", expressions=CEL), data)]
    wrong = [each for each in found if "fails whenever it is asked" in each]
    assert len(wrong) == (said is not None)
    for each in wrong:
        assert each.startswith('rule "r": ')
        assert (said or "") in each


WORDS = r"""
plan features area in_plan tac 'x' "y" r'\d' ( ) [ ] { } . , ? : == != < >= && || ! + - * / % all
exists map filter size matches startsWith in has true false null 0 1 9223372036854775807 1.5 1u
b'x' '''a''' // \ ' " dyn type int string duration timestamp
"""
PARTS = st.sampled_from([*WORDS.split(), "\n"])


@given(
    expr=st.lists(PARTS, max_size=30).map(" ".join) | st.text(max_size=60),
    asked=st.tuples(stored_facts, questions),
)
@example(expr="[" * 16 + "]" * 16 + " == []", asked=(facts(), VOWIFI))
@example(expr="'" + "\\'" * 400, asked=(facts(), VOWIFI))
def test_any_text_is_a_mistake_a_truth_or_a_denial(
    expr: str, asked: tuple[Facts, Question]
) -> None:
    try:
        made = policy(when(expr), {"result": "pending"})
    except PolicyError as error:
        for each in error.problems:
            assert 0 < len(str(each)) < 500
            assert str(each).isprintable()
        return
    given, question = asked
    decision = made.decide(question, given)
    *_, last = made.explain(question, given)
    assert (last.rule, last.result, last.reason) == (
        decision.rule,
        decision.result,
        decision.reason,
    )


@given(
    feature=st.sampled_from(FEATURES),
    asked=st.tuples(stored_facts, questions),
)
def test_it_agrees_with_the_conditions_that_say_the_same(
    feature: str, asked: tuple[Facts, Question]
) -> None:
    said = {"any": [{"features": {"has": feature}, "in_plan": True}, {"vendor": "acme"}]}
    expr = f"'{feature}' in features && in_plan || vendor == 'acme'"
    one = policy({"when": said}, {"result": "denied"})
    other = policy(when(expr), {"result": "denied"})
    given, question = asked
    assert one.decide(question, given).rule == other.decide(question, given).rule


def test_names_are_never_overlooked() -> None:
    for text, names in (
        ("plan == 'area' && \"tac\" != r'x'", {"plan", "r"} - {"r"}),
        ("a.b(c) // plan", {"a", "b", "c"}),
        ("'it\\'s plan' == '''x ' plan''' + tac", {"tac"}),
        ("'plan", {"plan"}),
    ):
        assert names_in(text) == names
    with pytest.raises(BadExpression):
        names_in("")
