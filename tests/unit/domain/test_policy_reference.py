"""The compiled policy against one that is slow and obvious."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import PolicyError, compile_policy
from tests.examples import examples
from tests.unit.domain.samples import FEATURES, questions, stored_facts

WORDS: dict[str, list[str]] = {
    "status": ["active", "suspended", "barred"],
    "plan": ["standard", "basic"],
    "feature": list(FEATURES),
    "terms": ["missing", "given"],
    "address": ["not_required", "in_progress"],
    "provisioning": ["not_provisioned", "in_progress"],
    "area": ["home", "roaming", "unknown"],
    "visited_plmn": ["", "00101", "26201", "partners"],
    "visited_mcc": ["", "001", "262", "near", "one"],
    "registration": ["registered", "not_registered", "unknown"],
    "store": ["", "Google", "samsung"],
    "purchases": ["not_offered", "limit_reached"],
    "tac": ["", "35000000"],
    "vendor": ["", "Acme", "STRASSE"],
    "model": ["p1", "P2"],
}
LISTS = {
    "visited_plmn": {"partners": ["26201", "99970"]},
    "visited_mcc": {"near": ["001", "262"], "one": ["999"]},
}
PREFIXES = {"visited_plmn": ["0", "262"], "tac": ["35", "99"], "vendor": ["A", "stra"]}


@st.composite
def comparison(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([*WORDS, "features", "in_plan"]))
    if name == "in_plan":
        return {name: draw(st.booleans())}
    if name == "features":
        operator = draw(st.sampled_from(["has", "lacks"]))
        return {name: {operator: draw(st.sampled_from(FEATURES))}}
    word = st.sampled_from(WORDS[name])
    operator = draw(st.sampled_from(["plain", "is", "not", "in", "not_in", "starts_with"]))
    if operator == "plain":
        return {name: draw(word)}
    if operator == "starts_with":
        prefix = st.sampled_from(PREFIXES.get(name, []) or ["x"])
        if name not in PREFIXES:
            return {name: draw(word)}
        return {name: {operator: draw(prefix | st.lists(prefix, min_size=1))}}
    if operator in ("in", "not_in"):
        return {name: {operator: draw(st.lists(word, min_size=1, max_size=3))}}
    return {name: {operator: draw(word)}}


def merged(tables: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for table in tables for key, value in table.items()}


COMPARISON = comparison()


def whens(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    flat = st.lists(COMPARISON, min_size=1, max_size=3).map(merged)
    if depth == 0:
        return flat
    inner = st.lists(whens(depth - 1), min_size=1, max_size=2)
    group = st.builds(lambda word, parts: {word: parts}, st.sampled_from(["any", "all"]), inner)
    return flat | group | st.builds(lambda a, b: a | b, flat, group)


# Made once: a strategy that is made anew for each example costs more than the example.
WHENS = whens()


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    rules = []
    for number in range(draw(st.integers(1, 4))):
        rule: dict[str, Any] = {
            "id": f"r{number}",
            "when": draw(WHENS),
            "result": draw(st.sampled_from(["allowed", "denied", "pending"])),
        }
        if draw(st.booleans()):
            rule["features"] = draw(st.lists(st.sampled_from(FEATURES), min_size=1))
        rules.append(rule)
    plans = {"standard": {"features": ["vowifi"]}, "basic": {"features": []}}
    lists = {"networks": LISTS["visited_plmn"], "countries": LISTS["visited_mcc"]}
    return {"plans": plans, "rule": rules, **lists}


def looked_up(name: str, facts: Facts, question: Question) -> Any:
    if name in ("vendor", "model"):
        return getattr(facts.device.value, name).casefold()
    if name in ("visited_plmn", "visited_mcc"):
        if question.area != facts.area.value:
            return ""
        return facts.visited_plmn.value[: 3 if name == "visited_mcc" else None]
    if name == "provisioning":
        return facts.provisioning.value.name.lower()
    return {
        "tac": facts.device.value.tac,
        "area": question.area.value,
        "registration": facts.registration.value.value,
        "feature": question.feature,
        "in_plan": question.feature in facts.features.value,
        "features": facts.features.value,
        "status": facts.status.value.value,
        "plan": facts.plan.value,
        "terms": facts.terms.value.value,
        "address": facts.address.value.value,
        "store": facts.wish.value.store,
        "purchases": facts.store.value.purchases.value,
    }[name]


def holds(when: dict[str, Any], facts: Facts, question: Question) -> bool:
    for name, wanted in when.items():
        if name == "any":
            if not any(holds(part, facts, question) for part in wanted):
                return False
            continue
        if name == "all":
            if not all(holds(part, facts, question) for part in wanted):
                return False
            continue
        found = looked_up(name, facts, question)
        table = wanted if isinstance(wanted, dict) else {"is": wanted}
        for operator, value in table.items():
            values = value if isinstance(value, list) else [value]
            if name in ("vendor", "model", "store"):
                values = [each.casefold() for each in values]
            named = LISTS.get(name, {})
            values = [digits for each in values for digits in named.get(each, [each])]
            if not compared(operator, found, values):
                return False
    return True


def compared(operator: str, found: Any, values: list[Any]) -> bool:
    match operator:
        case "is" | "in":
            return any(found == value for value in values)
        case "not" | "not_in":
            return all(found != value for value in values)
        case "has":
            return any(member == values[0] for member in found)
        case "lacks":
            return all(member != values[0] for member in found)
        case "starts_with":
            return any(found[: len(value)] == value for value in values)
    raise AssertionError(operator)


def decided(data: dict[str, Any], facts: Facts, question: Question) -> tuple[str, str]:
    for rule in data["rule"]:
        about = rule.get("features", [question.feature])
        if question.feature in about and holds(rule["when"], facts, question):
            return rule["id"], rule["result"]
    return "", "denied"


@settings(max_examples=examples(200))
@given(data=policies(), facts=stored_facts, question=questions)
def test_the_compiled_policy_decides_as_the_slow_one(
    data: dict[str, Any], facts: Facts, question: Question
) -> None:
    try:
        policy = compile_policy(data, version="1")
    except PolicyError as error:
        if all("never be reached" in problem.message for problem in error.problems):
            return
        raise
    decision = policy.decide(question, facts)
    assert (decision.rule, decision.result) == decided(data, facts, question)
    assert decision.question == question
    *failed, last = policy.explain(question, facts)
    assert (last.rule, last.result, last.reason) == (
        decision.rule,
        decision.result,
        decision.reason,
    )
    assert last.held
    assert policy.decide(question, facts) is decision
    assert all(trace.failed is not None and trace.failed.values for trace in failed)
