"""Lint finds what can be shown, and never warns of what is none."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from simgrant.domain.device_lists import Listing
from simgrant.domain.facts import Area, Fact, Facts, Question
from simgrant.domain.implication import formula, possible
from simgrant.domain.lint import OTHER, Finding, Severity, _Rules, lint
from simgrant.domain.order import Kind
from simgrant.domain.policy import (
    Policy,
    PolicyError,
    Rule,
    compile_policy,
    default_policy,
    default_policy_text,
)
from simgrant.domain.risk import NumberType, Way
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from tests.unit.domain.samples import facts as facts_of
from tests.unit.domain.samples import questions, stored_facts
from tests.unit.domain.test_policy_reference import policies

PLANS = {"standard": {"features": ["volte", "vowifi"]}, "basic": {"features": ["volte"]}}


def found(*rules: dict[str, Any], **top: Any) -> list[str]:
    entries = [{"id": f"r{n}", "result": "allowed", **each} for n, each in enumerate(rules)]
    data = {"plans": PLANS, "rule": entries, **top}
    return [str(each) for each in lint(compile_policy(data, version="1"), data)]


def when(**conditions: Any) -> dict[str, Any]:
    return {"when": conditions}


ALL = when(status={"in": ["active", "suspended", "barred", "removed"]})
BEFORE = 'rule "r1": can never be reached: rule "r0" decides before it'


def test_the_default_policy_is_clean() -> None:
    text = default_policy_text()
    assert lint(default_policy(), tomllib.loads(text)) == ()


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        # One condition implies another.
        ([when(plan={"in": ["standard", "basic"]}), when(plan="basic", area="home")], BEFORE),
        ([when(plan={"not": "basic"}), when(plan="standard")], BEFORE),
        ([when(plan={"not_in": ["basic"]}), when(plan={"not_in": ["basic", "standard"]})], BEFORE),
        ([when(tac={"starts_with": "35"}), when(tac={"starts_with": ["3500", "351"]})], BEFORE),
        ([when(tac={"starts_with": "35"}), when(tac={"in": ["35000000", "35000001"]})], BEFORE),
        ([when(area={"not": "home"}), when(area={"in": ["roaming", "unknown"]})], BEFORE),
        ([when(area={"in": ["roaming", "unknown"]}), when(area={"not": "home"})], BEFORE),
        ([when(any=[{"area": "home"}, {"plan": "basic"}]), when(plan="basic")], BEFORE),
        ([when(in_plan=True), {**when(features={"has": "volte"}), "features": ["volte"]}], BEFORE),
        ([ALL, when(area="home")], BEFORE),
        (
            [{**when(in_plan=True), "features": ["volte"]}, when(feature="volte", in_plan=True)],
            BEFORE,
        ),
        # Several together do.
        (
            [
                when(area="home"),
                when(area="roaming"),
                when(area="unknown", plan="basic"),
                when(area={"not": "home"}, plan="basic"),
            ],
            'rule "r3": can never be reached: the rules before it decide in every case',
        ),
        # The same conditions, another result.
        (
            [when(area={"is": "home"}), {**when(area={"in": ["home"]}), "result": "denied"}],
            'rule "r1": contradicts rule "r0", which has the same conditions and says "allowed"',
        ),
        (
            [
                {**when(area="home"), "features": ["volte", "vonr"]},
                {**when(area="home"), "features": ["vonr", "vowifi"], "result": "denied"},
            ],
            'rule "r1": contradicts rule "r0" for vonr, which has the same conditions and says '
            '"allowed"',
        ),
        (
            [
                {**when(area="home"), "features": ["volte", "vonr"]},
                {**when(area="home"), "features": ["vonr", "vowifi"]},
            ],
            'rule "r1": can never be reached for vonr: rule "r0" decides before it',
        ),
        # What can never hold, and what always does.
        (
            [when(plan={"is": "basic", "not": "basic"})],
            'rule "r0": can never hold: plan = "basic" and plan ≠ "basic"',
        ),
        (
            [when(tac="35000000", all=[{"tac": {"starts_with": "99"}}])],
            'rule "r0": can never hold: tac = "35000000" and (tac starts with "99")',
        ),
        (
            [when(any=[{"plan": "basic"}, {"area": "home", "any": [{"area": {"not": "home"}}]}])],
            'rule "r0": a condition can never hold: (area = "home" and (area ≠ "home"))',
        ),
        (
            [ALL],
            'rule "r0": a condition always holds: status in "active", "suspended", "barred", '
            '"removed"',
        ),
        (
            [when(any=[{"area": "home"}, {"area": {"not": "home"}}])],
            'rule "r0": a condition always holds: (area = "home" or area ≠ "home")',
        ),
        (
            [{**when(feature="volte"), "features": ["volte"]}, {}],
            'rule "r0": a condition always holds: feature = "volte"',
        ),
        # What plans have and nobody gets.
        (
            [{"features": ["volte"]}, {"result": "denied"}],
            'features: no rule ever allows "vowifi", which plans have',
        ),
    ],
    ids=lambda each: each[:60] if isinstance(each, str) else "",
)
def test_what_is_odd(rules: list[dict[str, Any]], said: str) -> None:
    assert said in found(*rules)


def test_an_age_that_no_sim_can_have() -> None:
    esim = {"features": ["esim"]}
    odd = found({**when(sim_age_h={"under": 5, "at_least": 5}), **esim}, {})
    assert odd == ['rule "r0": can never hold: sim_age_h < 5 and sim_age_h ≥ 5']
    assert found({**when(sim_age_h={"under": 6, "at_least": 5}), **esim}, {}) == []
    first = {**when(sim_age_h={"at_least": 5}), **esim}
    assert BEFORE in found(first, {**when(sim_age_h={"at_least": 6}), **esim}, {})
    assert found(first, {**when(sim_age_h={"at_least": 4}), **esim}, {}) == []


def test_a_kind_that_is_not_known_is_none_of_the_words() -> None:
    kinds = when(kind={"in": ["subscribe", "transfer", "recover"]})
    assert found({**kinds, "features": ["esim"]}, {}) == []


def test_a_sign_in_is_no_contradiction() -> None:
    asked = {**when(proof="sim"), "features": ["esim"]}
    assert found({**asked, "result": "step_up"}, asked, {}) == []


def test_what_is_special_may_stand_before_what_is_general() -> None:
    assert found({**when(area="home"), "features": ["volte"]}, when(area="home"), {}) == []


def test_what_nobody_uses() -> None:
    odd = found(
        {"text": "a"},
        texts={"a": {"en": "A"}, "b": {"en": "B"}},
        countries={"near": ["262"]},
        networks={"partners": ["26201"]},
        features={"vip": "pays more"},
        satellite={"far": {"allowed": [{"plmn": "99940"}]}},
        boosts={"fast": {"type": 7}},
    )
    assert odd == [
        'features: no rule looks at "vip"',
        'texts: nothing refers to "b"',
        'countries: nothing refers to "near"',
        'networks: nothing refers to "partners"',
        'boosts: nothing refers to "fast"',
        'satellite: nothing refers to "far"',
    ]


def test_findings_say_how_bad_they_are() -> None:
    data = {"rule": [{"id": "a", "result": "allowed", **ALL}], "texts": {"b": {"en": "B"}}}
    made = compile_policy(data, version="1")
    assert [each.severity for each in lint(made, data)] == [Severity.WARNING, Severity.NOTE]
    assert Finding(Severity.NOTE, "texts", "x") == Finding(Severity.NOTE, "texts", "x")


def compiled(data: dict[str, Any]) -> Policy | None:
    try:
        return compile_policy(data, version="1")
    except PolicyError:
        return None


def held(rule: Rule, facts: Facts, question: Question) -> bool:
    return all(part.holds(facts, question) for part in rule.conditions)


MANY = st.lists(st.tuples(stored_facts, questions), min_size=3, max_size=5)


@given(data=policies(), asked=MANY)
def test_it_never_calls_a_rule_unreachable_that_decides(
    data: dict[str, Any], asked: list[tuple[Facts, Question]]
) -> None:
    policy = compiled(data)
    if policy is None:
        return
    rules = _Rules(policy)
    place = {rule.id: number for number, rule in enumerate(policy.rules)}
    for facts, question in asked:
        decided = policy.decide(question, facts).rule
        if decided:
            assert rules.is_reached(place[decided], question.feature)
    if any("never" in each.what for each in lint(policy, data)):
        event("something was found")


@given(data=policies(), asked=MANY)
def test_what_contradicts_never_differs_in_its_conditions(
    data: dict[str, Any], asked: list[tuple[Facts, Question]]
) -> None:
    first = data["rule"][0]
    other = "denied" if first["result"] == "allowed" else "allowed"
    spelt = {"all": [first["when"]]}
    data = {**data, "rule": [first, {**first, "id": "again", "result": other, "when": spelt}]}
    policy = compiled(data)
    assert policy is not None
    said = [each for each in lint(policy, data) if each.what.startswith("contradicts")]
    never = any("can never hold" in each.what for each in lint(policy, data)[:1])
    assert said or never or len(str(first["when"])) > 500
    for each in said:
        one, two = policy.rules[0], policy.rules[1]
        assert each.where == f'rule "{two.id}"'
        for facts, question in asked:
            assert held(one, facts, question) == held(two, facts, question)


@given(data=policies(), asked=MANY)
def test_a_condition_that_held_once_is_possible_and_so_is_its_contrary(
    data: dict[str, Any], asked: list[tuple[Facts, Question]]
) -> None:
    policy = compiled(data)
    if policy is None:
        return
    for facts, question in asked:
        for rule in policy.rules:
            for part in rule.conditions:
                holds = part.holds(facts, question)
                assert possible([formula(part, question.feature, holds=holds)])
                assert possible([formula(part, OTHER, holds=True)]) or question.feature != OTHER


ESIM = {
    "kind": ["subscribe", "transfer", "recover"],
    "proof": ["sim", "oidc", "page"],
    "holder_proof": ["sim", "oidc", "otp"],
    "number_type": ["mobile", "fixed"],
    "tac_list": ["denied", "unlisted", "allowed"],
}
AGES = ("sim_age_h", "imei_age_h")


@st.composite
def esim_whens(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([*ESIM, *AGES, "prepaid"]), max_size=3)):
        if name in AGES:
            operators = st.sampled_from(["under", "at_least"])
            found[name] = draw(st.dictionaries(operators, st.integers(1, 4), min_size=1))
        elif name == "prepaid":
            found[name] = draw(st.booleans())
        else:
            operator = draw(st.sampled_from(["in", "not_in"]))
            found[name] = {operator: draw(st.lists(st.sampled_from(ESIM[name]), min_size=1))}
    return found


esim_rules = st.builds(
    lambda when, result, during, rollout: {
        "when": when | ({"rollout": rollout} if rollout else {}),
        "result": result,
        **({"during": during} if during else {}),
        "features": ["esim"],
    },
    esim_whens(),
    st.sampled_from(["allowed", "denied", "step_up"]),
    st.sampled_from(["", "day", {"not": "day"}]),
    st.sampled_from(["", "some", {"not": "some"}]),
)
ages = st.none() | st.integers(0, 5)
esim_facts = st.builds(
    lambda base, kind, proof, holder, number, listing, sim, imei, prepaid, day, some: replace(
        base,
        kind=Fact(kind, "request"),
        proof=Fact(proof, "request"),
        holder_proof=Fact(holder, "request"),
        number_type=Fact(number, "risk"),
        tac_list=Fact(listing, "list"),
        sim_age_h=Fact(sim, "risk"),
        imei_age_h=Fact(imei, "risk"),
        prepaid=Fact(prepaid, "risk"),
        schedules=Fact(day, "policy"),
        rollouts=Fact(some, "policy"),
    ),
    stored_facts,
    st.none() | st.sampled_from(Kind),
    st.sampled_from(Way),
    st.sampled_from(Way),
    st.sampled_from(NumberType),
    st.sampled_from(Listing),
    ages,
    ages,
    st.booleans(),
    st.sampled_from([(), ("day",)]),
    st.sampled_from([(), ("some",)]),
)


@given(
    rules=st.lists(esim_rules, min_size=1, max_size=4),
    asked=st.lists(esim_facts, min_size=3, max_size=5),
)
def test_nor_one_about_esims_a_schedule_or_a_roll_out(
    rules: list[dict[str, Any]], asked: list[Facts]
) -> None:
    policy = compiled(
        {
            "rule": [{"id": f"r{n}", **each} for n, each in enumerate(rules)],
            "schedules": {"day": {"days": ["mon"]}},
            "rollouts": {"some": {"percent": 50}},
        }
    )
    if policy is None:
        return
    reached = _Rules(policy)
    for each in asked:
        decision = policy.decide(Question("esim", Area.HOME), each)
        for number, rule in enumerate(policy.rules):
            if rule.id == decision.rule:
                assert reached.is_reached(number, "esim")
            for part in rule.conditions:
                holds = part.holds(each, Question("esim", Area.HOME))
                assert possible([formula(part, "esim", holds=holds)])


FEW = {
    "status": [each.value for each in SubscriptionStatus],
    "terms": [each.value for each in ConsentStatus],
    "area": [each.value for each in Area],
}


@st.composite
def few_whens(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    """Conditions on what has few values."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([*FEW, "in_plan", "features"]), max_size=2)):
        if name == "in_plan":
            found[name] = draw(st.booleans())
        elif name == "features":
            found[name] = {draw(st.sampled_from(["has", "lacks"])): "vowifi"}
        else:
            words = draw(st.lists(st.sampled_from(FEW[name]), min_size=1, unique=True))
            found[name] = {draw(st.sampled_from(["in", "not_in"])): words}
    if depth and draw(st.booleans()):
        inner = few_whens(depth - 1).filter(bool)
        word = draw(st.sampled_from(["any", "all"]))
        found[word] = draw(st.lists(inner, min_size=1, max_size=2))
    return found


ALL_FEW = [
    facts_of(status=status, terms=terms, features=frozenset(features))
    for status in SubscriptionStatus
    for terms in ConsentStatus
    for features in ((), ("vowifi",))
]


@given(whens=st.lists(few_whens(), min_size=1, max_size=4))
def test_of_what_has_few_values_it_finds_every_rule_that_is_never_reached(
    whens: list[dict[str, Any]],
) -> None:
    policy = compiled(
        {
            "rule": [
                {"id": f"r{n}", "result": "allowed", "when": each, "features": ["vowifi"]}
                for n, each in enumerate(whens)
            ]
        }
    )
    if policy is None:
        return
    decide = {
        policy.decide(Question("vowifi", area), each).rule for area in Area for each in ALL_FEW
    }
    reached = _Rules(policy)
    for number, rule in enumerate(policy.rules):
        assert reached.is_reached(number, "vowifi") is (rule.id in decide)
