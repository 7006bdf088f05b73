"""JSONPath: what is found is what the RFC says, and what is not understood is refused."""

from __future__ import annotations

from typing import Any

import jsonpath_rfc9535
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.json_path import MOST_LETTERS, BadPath, JsonPath

BOOK = {
    "state": "active",
    "none": None,
    "odd name": {"é": 1, "it's": 2},
    "list": [1, [2, 3], {"a": 4}],
    "options": [
        {"code": "A", "on": True, "n": 1, "deep": {"x": [0, "y"]}},
        {"code": "B", "on": False, "n": 1.0},
        {"code": "C", "n": "1", "on": None},
        "text",
    ],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [BOOK]),
        ("$.state", ["active"]),
        ("$['state']", ["active"]),
        ("$[\"odd name\"]['é']", [1]),
        ("$['odd name']['it\\'s']", [2]),
        ("$['odd name']['\\u00e9']", [1]),
        ("$.none", [None]),
        ("$.none.more", []),
        ("$.state.more", []),
        ("$.list[0]", [1]),
        ("$.list[-1].a", [4]),
        ("$.list[3]", []),
        ("$.list[-4]", []),
        ("$.list.*", [1, [2, 3], {"a": 4}]),
        ("$ .list [ * ] [ 0 ]", [2]),
        ("$.state.*", []),
        ("$.options[*].code", ["A", "B", "C"]),
        ("$.options[?@.on].code", ["A", "B", "C"]),
        ("$.options[?!@.on]", ["text"]),
        ("$.options[?@.on == true].code", ["A"]),
        ("$.options[?@.on != true].code", ["B", "C"]),
        ("$.options[?@.on==null].code", ["C"]),
        ("$.options[?@.n==1].code", ["A", "B"]),
        ("$.options[?@.n=='1'].code", ["C"]),
        ("$.options[?@.n==1 && @.on==false].code", ["B"]),
        ("$.options[?@.n==1 && @.on==false || @.code=='C'].code", ["B", "C"]),
        ("$.options[?@.deep.x[-1]=='y'].code", ["A"]),
        ("$.options[?@['deep']['x'][1]=='y'].code", ["A"]),
        ("$.options[?@=='text']", ["text"]),
    ],
)
def test_what_is_found(path: str, found: list[object]) -> None:
    assert JsonPath(path).find(BOOK) == found
    assert jsonpath_rfc9535.find(path, BOOK).values() == found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "begins with $"),
        ("state", "begins with $"),
        ("$.", "a name is missing"),
        ("$state", "a step begins with"),
        ("$..code", "descendants"),
        ("$[0:2]", "one selector"),
        ("$[0,1]", "one selector"),
        ("$['a', 'b']", "one selector"),
        ("$['a", "a quote is missing"),
        ("$['\\x']", "has no meaning"),
        ("$['\\ud800']", "half a character"),
        ("$['\\u12']", "four hexadecimal"),
        ("$[01]", "one selector"),
        ("$[-0]", "whole number"),
        ("$[9007199254740992]", "whole number"),
        ("$.a-b", "a step begins with"),
        ("$[?@.n > 1]", "are the comparisons"),
        ("$[?length(@) == 1]", "begins with @"),
        ("$[?@.a == @.b]", "is missing"),
        ("$[?@.a == tru]", "is missing"),
        ("$[?@.a[*] == 1]", "whole number"),
        ("$[?@.a == 1", "one selector"),
        ("$[?!@.a == 1]", "write !="),
        ("$" + ".a" * 17, "more than 16 steps"),
        ("$[?" + "&&".join(["@.a"] * 17) + "]", "more than 16 comparisons"),
        ("$." + "a" * MOST_LETTERS, "letters"),
    ],
)
def test_what_is_not_understood(path: str, why: str) -> None:
    with pytest.raises(BadPath, match=why.replace("$", r"\$")):
        JsonPath(path)


def test_the_letter_is_named() -> None:
    with pytest.raises(BadPath, match=r"at letter 5\)"):
        JsonPath("$.ab..c")


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("$.list[*].code", {"list": []}, []),
        ("$.list[*].code", {"list": [{"code": 1}]}, [1]),
        ("$.list[*].code", {"list": [{"code": 1}, {"name": 2}]}, None),
        ("$.list[*].code", {"list": None}, None),
        ("$.list[*].code", {"list": "text"}, None),
        ("$.list[*].code", {}, None),
        ("$.list[?@.on].code", {"list": [{"code": 1}]}, []),
        ("$.state", {}, None),
        ("$.state", {"state": None}, [None]),
    ],
)
def test_what_should_be_there(path: str, document: object, found: list[object] | None) -> None:
    assert JsonPath(path).every(document) == found


# --- as another implementation finds it -----------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "é", "x y", "'", "\\", "1"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5, "a", "1", ""])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


LITERALS = st.sampled_from(["null", "true", "false", "1", "-1", "0", "1.0", "5e-1", "'a'", '"1"'])
SINGLE = NAMES.map(lambda name: f"[{quoted(name)}]") | st.integers(-3, 3).map(
    lambda index: f"[{index}]"
)
RELATIVE = st.lists(SINGLE, max_size=2).map(lambda steps: "@" + "".join(steps))
# Whether the node itself is there: it always is, but the other one looks at its value.
THERE = st.lists(SINGLE, min_size=1, max_size=2).map(lambda steps: "@" + "".join(steps))
TESTS = st.one_of(
    THERE,
    THERE.map(lambda path: "!" + path),
    st.tuples(RELATIVE, st.sampled_from(["==", " != "]), LITERALS).map("".join),
)
FILTERS = st.lists(
    st.lists(TESTS, min_size=1, max_size=2).map(" && ".join), min_size=1, max_size=2
).map(lambda terms: f"[?{' || '.join(terms)}]")
PATHS = st.lists(st.one_of(SINGLE, st.sampled_from(["[*]", ".*", ".a"]), FILTERS), max_size=4).map(
    lambda steps: "$" + "".join(steps)
)


def exactly(values: list[Any]) -> list[str]:
    """Return values such that 1, 1.0 and true differ."""
    return [repr(value) for value in values]


@given(PATHS, DOCUMENTS)
def test_another_implementation_finds_the_same(path: str, document: object) -> None:
    theirs = jsonpath_rfc9535.find(path, document).values()  # type: ignore[arg-type]
    assert exactly(JsonPath(path).find(document)) == exactly(theirs)


@given(st.text(st.sampled_from("$.[]@?*='\"\\&|!ab01- \tué"), max_size=30).map("$".__add__))
def test_what_is_read_is_a_path_to_others_too(text: str) -> None:
    try:
        JsonPath(text)
    except BadPath:
        return
    jsonpath_rfc9535.compile(text)


@given(PATHS, DOCUMENTS)
def test_nothing_is_lost_or_all_is(path: str, document: object) -> None:
    compiled = JsonPath(path)
    assert compiled.every(document) in (None, compiled.find(document))
