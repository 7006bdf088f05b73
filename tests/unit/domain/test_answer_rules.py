"""What a BSS answers in JSON, understood by rules: each way to say it, and no guess."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.answer_rules import (
    Missing,
    Reading,
    SomebodyElse,
    Useless,
    ValueRule,
    aspect_reader,
    truth_reader,
)
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.identities import Msisdn
from simgrant.spec.ids import ProvStatus
from simgrant.wire.json_path import JsonPath

A_DAY = 981_158_400
"""3 February 2001."""


def find(path: str) -> Callable[[object], list[object] | None]:
    return JsonPath(path).every


def rule(path: str = "$.v", **more: Any) -> ValueRule:
    return ValueRule(find=find(path), **more)


def read(aspect: Aspect, document: object, **more: Any) -> object:
    return aspect_reader(aspect, rule(**more))(document)


@pytest.mark.parametrize(
    ("aspect", "told", "meant"),
    [
        (Aspect.STATUS, "suspended", SubscriptionStatus.SUSPENDED),
        (Aspect.PLAN, "premium", "premium"),
        (Aspect.TERMS, "given", ConsentStatus.GIVEN),
        (Aspect.ADDRESS, "not_required", ConsentStatus.NOT_REQUIRED),
        (Aspect.PROVISIONING, "in_progress", ProvStatus.IN_PROGRESS),
        (Aspect.VISITED_PLMN, "262-01", "26201"),
        (Aspect.VISITED_PLMN, 26201, "26201"),
        (Aspect.VISITED_PLMN, "", ""),
        (Aspect.MSISDN, "+4917012345", Msisdn("4917012345")),
        (Aspect.MSISDN, 4917012345, Msisdn("4917012345")),
        (Aspect.NUMBER_TYPE, "voip", NumberType.VOIP),
        (Aspect.PREPAID, True, True),
        (Aspect.PREPAID, "false", False),
        (Aspect.PORT_FREEZE, False, False),
        (Aspect.CUSTOMER_SINCE, "2001-02-03", A_DAY),
        (Aspect.CUSTOMER_SINCE, "2001-02-03T02:00:00+02:00", A_DAY),
        (Aspect.SIM_SINCE, A_DAY, A_DAY),
        (Aspect.SIM_SINCE, float(A_DAY), A_DAY),
    ],
)
def test_our_own_words_mean_themselves(aspect: Aspect, told: object, meant: object) -> None:
    assert read(aspect, {"v": told}) == meant


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ("ms", A_DAY * 1000),
        ("ms", str(A_DAY * 1000 + 999)),
        ("%d.%m.%Y", "03.02.2001"),
        ("%Y%m%d%H%M%S%z", "20010203020000+0200"),
        ("%y%j", "01034"),
    ],
)
def test_times_written_otherwise(dates: str, told: object) -> None:
    assert read(Aspect.SIM_SINCE, {"v": told}, dates=dates) == A_DAY


@pytest.mark.parametrize("dates", ["", "ms", "%d.%m.%Y"])
@pytest.mark.parametrize("told", ["", "yesterday", "31.13.2001", "9" * 30, True, -1, "١٢٣٤٥٦٧٨٩٠"])
def test_what_is_no_time(dates: str, told: object) -> None:
    with pytest.raises(Useless, match="sim_since"):
        read(Aspect.SIM_SINCE, {"v": told}, dates=dates)


@pytest.mark.parametrize("told", ["GOLD", "", None, [], {}, 7, True])
def test_a_value_without_a_meaning_is_no_guess(told: object) -> None:
    with pytest.raises(Useless, match="status"):
        read(Aspect.STATUS, {"v": told})


def test_where_there_are_meanings_everything_has_to_have_one() -> None:
    meanings = {"GOLD": "premium", "1": "basic", "true": "standard"}
    assert read(Aspect.PLAN, {"v": "GOLD"}, meanings=meanings) == "premium"
    assert read(Aspect.PLAN, {"v": 1}, meanings=meanings) == "basic"
    assert read(Aspect.PLAN, {"v": True}, meanings=meanings) == "standard"
    with pytest.raises(Useless, match="plan has no meaning") as error:
        read(Aspect.PLAN, {"v": "premium"}, meanings=meanings)
    assert "premium" not in str(error.value)
    assert read(Aspect.PLAN, {"v": "x"}, meanings=meanings, default="basic") == "basic"


def test_an_empty_word_says_that_nothing_is_told() -> None:
    assert read(Aspect.STATUS, {"v": "X"}, meanings={"X": ""}) is None
    assert read(Aspect.VISITED_PLMN, {"v": "X"}, meanings={"X": ""}) == ""


@pytest.mark.parametrize("document", [{}, {"v": None}, [], None, "v", {"w": 1}])
def test_what_is_not_told(document: object) -> None:
    with pytest.raises(Useless, match="does not say the plan"):
        read(Aspect.PLAN, document)
    assert read(Aspect.PLAN, document, missing=Missing.UNKNOWN) is None
    assert read(Aspect.PLAN, document, missing=Missing.DEFAULT, default="basic") == "basic"


def test_two_values_have_to_be_one() -> None:
    meanings = {"A": "active", "B": "active", "S": "suspended"}
    document = {"v": ["A", "B", None]}
    assert read(Aspect.STATUS, document, path="$.v[*]", meanings=meanings) == "active"
    with pytest.raises(Useless, match="several things"):
        read(Aspect.STATUS, {"v": ["A", "S"]}, path="$.v[*]", meanings=meanings)


# --- sets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "document", "names"),
    [
        ("$.v", {"v": []}, ()),
        ("$.v", {"v": ["a", "b", "a"]}, ("a", "b")),
        ("$.v[*]", {"v": ["a"]}, ("a",)),
        ("$.v[*]", {"v": []}, ()),
        ("$.v", {"v": "a"}, ("a",)),
        ("$.v[*].n", {"v": [{"n": "a"}]}, ("a",)),
        ("$.v[?@.on==true].n", {"v": [{"n": "a", "on": True}, {"n": "b", "on": False}]}, ("a",)),
    ],
)
def test_sets(path: str, document: object, names: tuple[str, ...]) -> None:
    assert read(Aspect.OPTIONS, document, path=path) == frozenset(names)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$.v", {}),
        ("$.v", {"v": None}),
        ("$.v[*]", {"v": None}),
        ("$.v[*].n", {"v": [{"n": "a"}, {"m": "b"}]}),
    ],
)
def test_a_list_that_is_not_there_is_not_empty(path: str, document: object) -> None:
    with pytest.raises(Useless, match="does not say the options"):
        read(Aspect.OPTIONS, document, path=path)
    assert read(Aspect.OPTIONS, document, path=path, missing=Missing.UNKNOWN) is None
    found = read(Aspect.OPTIONS, document, path=path, missing=Missing.DEFAULT, default="")
    assert found == frozenset()


def test_options_that_mean_nothing_here() -> None:
    meanings = {"WFC": "vowifi"}
    with pytest.raises(Useless):
        read(Aspect.OPTIONS, {"v": ["WFC", "RINGTONE"]}, meanings=meanings)
    found = read(Aspect.OPTIONS, {"v": ["WFC", "RINGTONE"]}, meanings=meanings, default="")
    assert found == {"vowifi"}
    with pytest.raises(Useless, match="no single value"):
        read(Aspect.OPTIONS, {"v": [["WFC"]]}, meanings=meanings, default="")
    with pytest.raises(Useless, match="more than 256"):
        read(Aspect.OPTIONS, {"v": ["WFC"] * 257}, meanings=meanings)


def by_feature(document: object, **more: Any) -> object:
    features = {
        "vowifi": find("$.e[?@.name=='VoWiFi'].status"),
        "volte": find("$.e[?@.name=='VoLTE'].status"),
    }
    meanings = {"ON": "true", "OFF": "false"}
    made = ValueRule(features=features, meanings=meanings, **more)
    return aspect_reader(Aspect.REFUSALS, made)(document)


def test_features_that_are_told_of_one_by_one() -> None:
    both = {"e": [{"name": "VoWiFi", "status": "ON"}, {"name": "VoLTE", "status": "OFF"}]}
    assert by_feature(both) == {"vowifi"}
    odd = {"e": [{"name": "VoWiFi", "status": "ODD"}, {"name": "VoLTE", "status": "OFF"}]}
    with pytest.raises(Useless, match="refusals, vowifi"):
        by_feature(odd)
    one = {"e": [{"name": "VoWiFi", "status": "ON"}]}
    with pytest.raises(Useless, match="refusals, volte"):
        by_feature(one)
    assert by_feature(one, missing=Missing.UNKNOWN) is None
    assert by_feature(one, missing=Missing.DEFAULT, default="false") == {"vowifi"}


# --- an answer ------------------------------------------------------------------------


WHO = frozenset({"001010000000001", "4917012345"})


@pytest.mark.parametrize(
    "document",
    [
        {"n": "4917012345"},
        {"n": "+4917012345"},
        {"n": "tel:+4917012345"},
        {"n": 4917012345},
        {"i": "001010000000001"},
        {"i": "001010000000001", "n": "4917012345"},
        {"i": "001010000000001", "n": None},
    ],
)
def test_answers_about_whom_we_asked(document: object) -> None:
    Reading({}, echo=(find("$.n"), find("$.i"))).check_owner(document, WHO)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"n": None},
        {"n": ""},
        {"n": "4917012346"},
        {"n": ["4917012345"]},
        {"i": "001010000000001", "n": "4917012346"},
        None,
        [],
    ],
)
def test_answers_about_somebody_else(document: object) -> None:
    with pytest.raises(SomebodyElse):
        Reading({}, echo=(find("$.n"), find("$.i"))).check_owner(document, WHO)


def test_one_of_a_list_about_somebody_else_spoils_it() -> None:
    reading = Reading({}, echo=(find("$[*].n"),))
    reading.check_owner([{"n": "4917012345"}] * 2, WHO)
    with pytest.raises(SomebodyElse):
        reading.check_owner([{"n": "4917012345"}, {"n": "4917012346"}], WHO)


def test_answers_about_nobody() -> None:
    assert not Reading({}).says_nobody({"code": "404"})
    anything = Reading({}, nobody=find("$.error"))
    assert anything.says_nobody({"error": {}})
    assert not anything.says_nobody({"error": None})
    assert not anything.says_nobody({})
    these = Reading({}, nobody=find("$.code"), nobody_values=("404", "false"))
    assert these.says_nobody({"code": 404})
    assert these.says_nobody({"code": False})
    assert not these.says_nobody({"code": 500})
    empty = Reading({}, nobody=find("$"), nobody_values=("[]", "null"))
    assert empty.says_nobody([])
    assert empty.says_nobody(None)
    assert not empty.says_nobody([[]])
    assert not empty.says_nobody({})


def test_only_what_is_wanted_is_read() -> None:
    reading = Reading({Aspect.PLAN: rule("$.plan"), Aspect.STATUS: rule("$.status")})
    assert reading.tells == {Aspect.PLAN, Aspect.STATUS}
    wants = frozenset({Aspect.PLAN, Aspect.TERMS})
    assert reading.understand({"plan": "basic"}, wants) == Eligibility(plan="basic")


@pytest.mark.parametrize(
    ("aspect", "made", "why"),
    [
        (Aspect.STATUS, ValueRule(), "where it is told"),
        (Aspect.STATUS, rule(meanings={"A": "activ"}), "'activ' means nothing"),
        (Aspect.STATUS, rule(default="activ"), "'activ' means nothing"),
        (Aspect.STATUS, rule(missing=Missing.DEFAULT), "no default"),
        (Aspect.STATUS, rule(dates="ms"), "no time"),
        (Aspect.SIM_SINCE, rule(dates="%Q"), "no format"),
        (Aspect.SIM_SINCE, rule(dates="%H:%M"), "no format"),
        (Aspect.SIM_SINCE, rule(dates="%Y %Y"), "no format"),
        (Aspect.OPTIONS, ValueRule(features={"a": find("$.a")}, default="yes"), "'yes'"),
    ],
)
def test_rules_that_cannot_be(aspect: Aspect, made: ValueRule, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        aspect_reader(aspect, made)


def test_truths() -> None:
    read = truth_reader("qualified", rule(meanings={"Y": "true", "N": "false", "?": ""}))
    assert read({"v": "Y"}) is True
    assert read({"v": "N"}) is False
    assert read({"v": "?"}) is None
    with pytest.raises(Useless):
        read({"v": "true"})


# --- anything -------------------------------------------------------------------------

NAMES = st.sampled_from(["v", "w", "n"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(["active", "given", "true", "2001-02-03", "A", "26201", "4917012345"])
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
RULES = st.builds(
    ValueRule,
    find=st.sampled_from(["$", "$.v", "$.v[*]", "$.v.*.n", "$[?@.v == 'A'].n"]).map(find),
    missing=st.sampled_from([Missing.REFUSE, Missing.UNKNOWN]),
)


@given(st.dictionaries(st.sampled_from(Aspect), RULES, min_size=1), DOCUMENTS)
def test_any_answer_is_understood_or_useless(rules: dict[Aspect, ValueRule], told: object) -> None:
    reading = Reading(rules, echo=(find("$.n"),), nobody=find("$.w"), nobody_values=("A",))
    reading.says_nobody(told)
    with suppress(SomebodyElse):
        reading.check_owner(told, WHO)
    try:
        found = reading.understand(told, frozenset(Aspect))
    except Useless:
        return
    for each in fields(found):
        value = getattr(found, each.name)
        assert value is None or isinstance(value, _KINDS[Aspect(each.name)])
        if isinstance(value, frozenset):
            assert all(isinstance(name, str) and name for name in value)


_KINDS: dict[Aspect, type] = {
    Aspect.STATUS: SubscriptionStatus,
    Aspect.PLAN: str,
    Aspect.OPTIONS: frozenset,
    Aspect.REFUSALS: frozenset,
    Aspect.TERMS: ConsentStatus,
    Aspect.ADDRESS: ConsentStatus,
    Aspect.PROVISIONING: ProvStatus,
    Aspect.VISITED_PLMN: str,
    Aspect.MSISDN: Msisdn,
    Aspect.NUMBER_TYPE: NumberType,
    Aspect.PREPAID: bool,
    Aspect.PORT_FREEZE: bool,
    Aspect.CUSTOMER_SINCE: int,
    Aspect.SIM_SINCE: int,
}
