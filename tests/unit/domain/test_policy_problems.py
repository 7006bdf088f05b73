"""Mistakes in a policy: all of them, each with its place; and nothing but PolicyError, ever."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simgrant.adapters.expressions.cel import open_expressions
from simgrant.domain.policy import PolicyError, compile_policy, parse_policy
from simgrant.domain.problems import Problems, did_you_mean, shown

CEL = open_expressions()
GOOD = {"id": "a", "when": {}, "result": "allowed"}


def problems(data: Any) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        compile_policy(data, version="1")
    return [str(problem) for problem in caught.value.problems]


def in_rule(**changes: Any) -> list[str]:
    return problems({"plans": {"basic": {"features": []}}, "rule": [GOOD | changes]})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"when": {"statuz": "active"}}, 'when: unknown name "statuz"; did you mean "status"?'),
        ({"when": {3: "active"}}, "when: unknown name 3"),
        ({"when": "always"}, 'when: must be a table of conditions, not "always"'),
        (
            {"when": {"status": "suspendet"}},
            'when.status: unknown value "suspendet"; known: active, suspended, barred, removed',
        ),
        ({"when": {"plan": "basik"}}, 'when.plan: unknown name "basik"; did you mean "basic"?'),
        ({"when": {"plan": {"inn": []}}}, 'when.plan: unknown name "inn"; did you mean "in"?'),
        ({"when": {"plan": {}}}, "when.plan: needs an operator: is, not, in, not_in"),
        ({"when": {"plan": {"in": []}}}, 'when.plan: "in" takes 1 to 10000 values, not 0'),
        ({"when": {"plan": {"in": "basic"}}}, 'when.plan: "in" takes a list, not "basic"'),
        ({"when": {"plan": {"not": ["basic"]}}}, 'when.plan: "not" takes one value, not a list'),
        (
            {"when": {"plan": ["basic"]}},
            "when.plan: a list needs an operator: { in = […] } or { not_in = […] }",
        ),
        ({"when": {"features": "vowifi"}}, "when.features: needs an operator: has, lacks"),
        (
            {"when": {"features": {"has": "vowfi"}}},
            'when.features: unknown name "vowfi"; did you mean "vowifi"?',
        ),
        ({"when": {"in_plan": "no"}}, 'when.in_plan: must be true or false, not "no"'),
        ({"when": {"in_plan": {"not": True}}}, 'when.in_plan: unknown name "not"; known: is'),
        ({"when": {"visited_mcc": 262}}, "when.visited_mcc: must be a text in quotes, not 262"),
        (
            {"when": {"visited_plmn": "2620"}},
            'when.visited_plmn: must have 5 or 6 digits, or be "" for unknown, not "2620"',
        ),
        (
            {"when": {"visited_mcc": {"in": ["eu"]}}},
            'when.visited_mcc: must have 3 digits, or be "" for unknown, not "eu"',
        ),
        ({"when": {"purchases": "none"}}, 'when.purchases: unknown value "none"; known: '),
        (
            {"when": {"tac": "3500000x"}},
            'when.tac: must have 8 digits, or be "" for unknown, not "3500000x"',
        ),
        ({"when": {"tac": {"starts_with": "35x"}}}, 'when.tac: must be digits, not "35x"'),
        ({"when": {"tac": {"starts_with": ""}}}, "when.tac: an empty prefix says nothing"),
        (
            {"when": {"model": "x" * 65}},
            "when.model: must be a text of at most 64 characters, not " + shown("x" * 65),
        ),
        ({"when": {"any": {}}}, "when.any: must be a list of tables, not {}"),
        ({"when": {"any": [{}]}}, "when.any[1]: is empty: it would always hold"),
        ({"when": {"all": ["x"]}}, 'when.all[1]: must be a table of conditions, not "x"'),
        ({"result": "alowed"}, 'result: unknown value "alowed"; did you mean "allowed"?'),
        ({"result": None}, "result: is missing; known: allowed, denied, pending"),
        ({"reason": "Not-In-Plan"}, "reason: must be letters, digits and _ in lower case"),
        ({"features": ["vofiwi"]}, 'features: unknown name "vofiwi"; did you mean "vowifi"?'),
        ({"features": []}, "features: must be a list of features, not []"),
        ({"features": "vowifi"}, 'features: must be a list of features, not "vowifi"'),
        ({"text": "sorry"}, 'text: unknown name "sorry"'),
        ({"text": {"english": "Sorry"}}, '"english" is no language tag such as en or pt-BR'),
        ({"text": {"en": ""}}, "text.en: must be a text of 1 to 500 characters"),
        ({"text": {"en": "a <b>"}}, 'text.en: must not hold <, " or a line break'),
        ({"text": {"en": "a\nb"}}, 'text.en: must not hold <, " or a line break'),
        ({"text": 3}, "text: must be a table, not 3"),
        ({"wehn": {}}, 'unknown key "wehn"; did you mean "when"?'),
    ],
)
def test_mistakes_in_a_rule(changes: dict[str, Any], problem: str) -> None:
    (found,) = in_rule(**changes)
    assert found.startswith(('rule "a"', "rule 1"))
    assert problem in found


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"rulez": [], "rule": [GOOD]}, 'unknown key "rulez"; did you mean "rule"?'),
        ({}, "rule: is missing: without a rule everything is denied"),
        ({"rule": {}}, "rule: must be a list of tables ([[rule]]), not {}"),
        ({"rule": ["x"]}, 'rule 1: must be a table, not "x"'),
        ({"rule": [{"result": "denied"}]}, "rule 1, id: is missing"),
        (
            {"rule": [GOOD | {"when": {"area": "home"}}, GOOD]},
            'rule "a", id: is used by an earlier rule too',
        ),
        ({"rule": [GOOD] * 501}, "rule: has more than 500 entries"),
        ({"rule": [GOOD], "plans": {"x": {}}}, "plans.x, features: is missing; write [] for none"),
        ({"rule": [GOOD], "plans": {"": {"features": []}}}, "must have 1 to 64 printable"),
        ({"rule": [GOOD], "plans": {"x": {"features": ["vip"]}}}, 'unknown name "vip"'),
        ({"rule": [GOOD], "plans": {str(n): {} for n in range(501)}}, "has more than 500 entries"),
        ({"rule": [GOOD], "plans": 3}, "plans: must be a table, not 3"),
        ({"rule": [GOOD], "features": {"vowifi": "x"}}, "is built in and needs no declaration"),
        ({"rule": [GOOD], "features": {"V": "x"}}, "must be letters, digits and _ in lower case"),
        ({"rule": [GOOD], "features": {"v": 1}}, "features, v: must be a short text, not 1"),
        (
            {"rule": [GOOD], "vowifi": {"terms": "requird"}},
            'vowifi, terms: unknown value "requird"; did you mean "required"?',
        ),
        ({"rule": [GOOD], "texts": {"a": {"en": 1}}}, "texts.a, en: must be a text of 1 to 500"),
        ({"rule": [GOOD], 3: 4}, "unknown key 3"),
        ([], "must be a table, not []"),
        (None, "must be a table, not None"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_mistakes_elsewhere(data: Any, problem: str) -> None:
    assert any(problem in found for found in problems(data))


def test_every_mistake_is_told_at_once() -> None:
    found = problems({"rulez": 1, "rule": [{"id": "a", "when": {"x": 1, "plan": "y"}}]})
    assert len(found) == 4


def test_but_never_more_than_a_hundred() -> None:
    assert len(problems({"rule": ["x"] * 500})) == 100


def reach(*rules: dict[str, Any]) -> list[str]:
    entries = [{"id": f"r{n}", "result": "denied", **given} for n, given in enumerate(rules)]
    try:
        compile_policy({"rule": entries}, version="1")
    except PolicyError as error:
        return [problem.where for problem in error.problems]
    return []


def test_rules_that_can_never_be_reached_are_mistakes() -> None:
    home = {"when": {"area": "home"}}
    assert reach({}, home) == ['rule "r1"']
    assert reach(home, home) == ['rule "r1"']
    assert reach(home, home | {"features": ["vowifi"]}) == ['rule "r1"']
    assert reach({"features": ["vowifi", "volte"]}, {"features": ["volte"]}) == ['rule "r1"']
    assert reach({"features": ["vowifi"]}, {"features": ["volte"]}, {}) == []
    assert reach(home, {"when": {"area": "roaming"}}, {}) == []
    assert reach({"features": ["vowifi"]}, home | {"features": ["vowifi", "volte"]}) == []


def test_long_lists_that_look_alike_are_not_the_same_rule() -> None:
    tacs = [f"{number:08}" for number in range(10)]
    changed = [*tacs[:-1], "99999999"]
    assert reach({"when": {"tac": {"in": tacs}}}, {"when": {"tac": {"in": changed}}}) == []


def test_conditions_are_bounded() -> None:
    deep: dict[str, Any] = {"area": "home"}
    for _ in range(5):
        deep = {"any": [deep, {"area": "roaming"}]}
    assert any("nested deeper than 4 groups" in found for found in in_rule(when=deep))
    many = {"any": [{"area": "home"}] * 50}
    (found,) = in_rule(when=many)
    assert "has more than 50 conditions" in found
    tacs = [f"{number:08}" for number in range(10_001)]
    (found,) = in_rule(when={"tac": {"in": tacs}})
    assert "takes 1 to 10000 values, not 10001" in found


def test_lists_in_conditions_are_bounded_as_a_whole() -> None:
    networks = {"big": [f"{number:06}" for number in range(1000)]}
    when = {"visited_plmn": {"in": ["big"] * 11}}
    (found,) = problems({"networks": networks, "rule": [GOOD | {"when": when}]})
    assert "stands for more than 10000 values with its lists" in found


def test_texts_that_are_no_toml() -> None:
    for text, said in (
        ("rule = [", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        ("a = " + "9" * 10_000, "is not TOML"),
        (" " * (1 << 20) + " ", "is larger than"),
    ):
        with pytest.raises(PolicyError, match=said):
            parse_policy(text)


WORDS = """
    rule plans features vowifi texts id when result reason text status plan area tac in_plan
    any all in has not en terms starts_with lacks not_in is standard expr with care data satellite
    schedules rollouts during rollout percent from until days hours offset mon own ap2003 boosts
"""
NAMES = st.sampled_from(WORDS.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | NAMES
    | st.sampled_from(
        [
            *(
                "active",
                "home",
                "allowed",
                "00101",
                "35000000",
                "required",
                "plan == 'x'",
                "in_plan",
            ),
            *("08:00-12:00", "+01:00", "2026-12-01T00:00Z", "x / 0 == 1"),
        ]
    )
    | st.dates()
    | st.binary(max_size=4)
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=4) | st.integers(), inner, max_size=5)
    ),
    max_leaves=30,
)


TABLES = st.fixed_dictionaries(
    {"rule": st.lists(JUNK, max_size=2).map(lambda rules: [GOOD, *rules])},
    optional=dict.fromkeys(("schedules", "rollouts", "own", "satellite", "plans", "texts"), JUNK),
)


@given(data=JUNK | TABLES | st.builds(lambda rules: {"rule": rules}, st.lists(JUNK, max_size=4)))
@example(data={"rule": [{"id": "a", "result": "denied", "when": {"area": float("nan")}}]})
@example(data={"rule": [GOOD | {"when": {"tac": {"in": [[], {}, datetime.date.min]}}}]})
def test_junk_is_a_policy_or_a_policy_error(data: Any) -> None:
    said: list[str] = []
    try:
        compile_policy(data, version="1", expressions=CEL)
    except PolicyError as error:
        said = [str(problem) for problem in error.problems] or [""]
    for problem in said:
        assert 0 < len(problem) < 500
        assert problem.isprintable()


@given(text=st.text())
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


def test_what_was_written_is_never_repeated_in_full() -> None:
    assert len(shown("x" * 1000)) < 50
    assert len(shown([["x" * 1000] * 1000] * 1000)) < 500
    assert shown(True) == "true"
    found = Problems()
    found.unknown("", "", "x" * 100_000, ["known"])
    assert len(str(found.found[0])) < 100


def test_a_hint_names_what_is_close_or_all_there_is() -> None:
    assert did_you_mean("defalt", ["default", "other"]) == '; did you mean "default"?'
    assert did_you_mean("xyz", ["other", "default"]) == "; known: default, other"
    assert did_you_mean("xyz", []) == ""
    assert did_you_mean("xyz", [f"name{number}" for number in range(17)]) == ""
