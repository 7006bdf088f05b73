"""The index finds the rule that trying them one by one finds, and remembers no more than it may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain import index
from simgrant.domain.facts import Area, Device, Fact, Facts, Question
from simgrant.domain.index import NONE, RuleIndex
from simgrant.domain.order import Kind
from simgrant.domain.policy import FEATURES, Policy, compile_policy
from tests.unit.domain.samples import facts, questions, stored_facts

PLANS = {"standard": {"features": ["vowifi"]}, "basic": {"features": []}}
VOWIFI = Question("vowifi", Area.HOME)


def policy(*rules: dict[str, Any]) -> Policy:
    entries = [{"id": f"r{n}", "result": "denied", **each} for n, each in enumerate(rules)]
    return compile_policy({"plans": PLANS, "rule": entries}, version="1")


def place(made: Policy, facts: Facts, question: Question) -> int:
    return RuleIndex(made.rules, FEATURES).first(facts, question)


def tried(made: Policy, facts: Facts, question: Question) -> int:
    """Try rule after rule."""
    for number, rule in enumerate(made.rules):
        about = rule.features is None or question.feature in rule.features
        if about and all(part.holds(facts, question) for part in rule.conditions):
            return number
    return NONE


PLACES = ["home", "roaming", "unknown"]
LARGE = policy(
    {
        "when": {
            "any": [{"area": area, "plan": plan} for area in PLACES for plan in PLANS],
            "all": [{"any": [{"vendor": f"maker {n}"} for n in range(6)] + [{"terms": "given"}]}],
        }
    },
    {"when": {"all": [{"any": [{"area": "home"}, {"all": [{"plan": "basic"}]}]}]}},
    {"when": {"in_plan": True}, "features": ["volte", "vowifi"]},
    {"when": {"plan": {"not": "basic", "in": ["basic", "standard"]}}, "features": ["smsoip"]},
)


@given(given=stored_facts, question=questions)
def test_large_groups_are_asked_as_they_stand(given: Facts, question: Question) -> None:
    assert place(LARGE, given, question) == tried(LARGE, given, question)


@given(asked=st.lists(st.tuples(stored_facts, questions), max_size=20))
def test_what_was_seen_before_changes_nothing(asked: list[tuple[Facts, Question]]) -> None:
    made = RuleIndex(LARGE.rules, FEATURES)
    for each, question in asked:
        assert made.first(each, question) == tried(LARGE, each, question)


def test_no_rules_are_none() -> None:
    assert RuleIndex((), FEATURES).first(facts(), VOWIFI) == NONE


def test_a_feature_nobody_named_meets_the_general_rules() -> None:
    made = policy({"features": ["volte"]}, {"when": {"in_plan": True}}, {})
    assert place(made, facts(), Question("made_up", Area.HOME)) == 2


def test_what_is_not_known_is_a_value_too() -> None:
    esim = {"features": ["esim"]}
    made = policy(
        {"when": {"sim_age_h": {"at_least": 5}, "kind": {"not": "transfer"}}, **esim}, esim
    )
    question = Question("esim", Area.HOME)
    young = facts()
    old = replace(young, sim_age_h=Fact(5, "risk"), kind=Fact(Kind.RECOVER, "request"))
    for each, number in ((young, 1), (old, 0), (young, 1)):
        assert place(made, each, question) == number


def test_it_remembers_a_bounded_number_of_short_texts() -> None:
    made = policy({"when": {"model": {"starts_with": "old"}}}, {})
    columns = made._index._about["vowifi"].columns
    ((_, seen, _),) = columns
    for number in range(3 * index.MOST_SEEN):
        given = facts(device=Device("", "", f"old {number}" if number % 2 else f"{number}", ""))
        assert made.decide(VOWIFI, given).rule == ("r0" if number % 2 else "r1")
        assert len(seen) <= index.MOST_SEEN
    seen.clear()
    assert made.decide(VOWIFI, facts(device=Device("", "", "old" * 100, ""))).rule == "r0"
    assert not seen
