"""Texts with places: what is put in stays a value, and mistakes are named."""

from __future__ import annotations

import json
import tomllib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.template import BadTemplate, Body, NotKnown, Template

KNOWN = frozenset({"imsi", "e164"})


def test_places_are_filled_and_braces_stay() -> None:
    template = Template("/a/{imsi}/{{x}}", KNOWN)
    assert template.places == {"imsi"}
    assert template.fill({"imsi": "001"}) == "/a/001/{x}"
    assert Template("/a", KNOWN).fill({}) == "/a"


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(NotKnown, match="e164"):
        Template("{e164}", KNOWN).fill({"imsi": "001"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{imei}", r"\{imei\} is none of \{e164\}, \{imsi\}"),
        ("{}", r"\{\} is none"),
        ("{0}", r"\{0\} is none"),
        ("{imsi.digits}", "is none of"),
        ("{imsi!r}", "nothing else"),
        ("{imsi:>9}", "nothing else"),
        ("{imsi", "no twin"),
        ("imsi}", "no twin"),
    ],
)
def test_what_is_no_template(text: str, why: str) -> None:
    with pytest.raises(BadTemplate, match=why):
        Template(text, KNOWN)


@given(st.text())
def test_nothing_in_an_address_becomes_more_than_a_value(value: str) -> None:
    template = Template("https://h/p/{imsi}/q?n={e164}&m=1", KNOWN, encoded=True)
    parts = urlsplit(template.fill({"imsi": value, "e164": value}))
    assert (parts.netloc, parts.fragment) == ("h", "")
    assert parts.path.count("/") == 3
    assert parse_qs(parts.query, keep_blank_values=True) == {"n": [value], "m": ["1"]}


@given(st.text())
def test_nothing_in_json_becomes_more_than_a_value(value: str) -> None:
    made = {"who": "{imsi}", "list": ["{e164}", 1, {"x": None}, "a{imsi}"], "on": True, "f": 0.5}
    body = Body(made, KNOWN)
    assert body.places == KNOWN
    filled = json.loads(json.dumps(body.fill({"imsi": value, "e164": value})))
    assert filled == {
        "who": value,
        "list": [value, 1, {"x": None}, "a" + value],
        "on": True,
        "f": 0.5,
    }


@pytest.mark.parametrize(
    "body",
    [
        [[[[[[[[1]]]]]]]],
        {"a": "{b}"},
        {"a": tomllib.loads("d = 2001-02-03")["d"]},
        list(range(201)),
    ],
)
def test_what_is_no_body(body: object) -> None:
    with pytest.raises(BadTemplate):
        Body(body, KNOWN)
