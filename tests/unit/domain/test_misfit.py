"""The words that are told where a value is none of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.misfit import misfit, words_there
from simgrant.flows.camara.consumer_document import ConsumerDocument
from tests.examples import examples


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(msgspec.Struct):
    word: Literal["", "one", "two"] = "one"
    number: int = 0


class Tree(msgspec.Struct):
    colour: Colour | None = None
    colours: frozenset[Colour] = frozenset()
    leaf: Leaf | None = None
    leaves: list[Leaf] = []
    named: dict[str, Leaf] = {}
    basis: dict[str, Literal["x", "y"]] = {}


COLOURS = "; there are red, blue"
WORDS = "; there are one, two"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"colour": "green"}, f"Invalid enum value 'green' - at `$.colour`{COLOURS}"),
        ({"colours": ["red", "green"]}, f"Invalid enum value 'green' - at `$.colours[1]`{COLOURS}"),
        ({"leaf": {"word": "three"}}, f"Invalid enum value 'three' - at `$.leaf.word`{WORDS}"),
        ({"leaves": [{"word": "x"}]}, f"Invalid enum value 'x' - at `$.leaves[0].word`{WORDS}"),
        (
            {"named": {"a": {"word": "x"}}},
            f"Invalid enum value 'x' - at `$.named[...].word`{WORDS}",
        ),
        ({"basis": {"a": "z"}}, "Invalid enum value 'z' - at `$.basis[...]`; there are x, y"),
        ({"leaf": {"number": "x"}}, "Expected `int`, got `str` - at `$.leaf.number`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_the_words_that_there_are_come_from_the_type(data: Any, expected: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(data, Tree)
    assert misfit(caught.value, Tree) == expected


def test_every_enumeration_of_a_consumer_names_its_words() -> None:
    for member in ("proving", "bound", "grants", "subjects"):
        for wrong in ("none-such", ["none-such"]):
            with pytest.raises(msgspec.ValidationError) as caught:
                msgspec.convert({"client_id": "a", "name": "b", member: wrong}, ConsumerDocument)
            if "enum" in str(caught.value):
                assert "; there are " in misfit(caught.value, ConsumerDocument)
                break
        else:
            pytest.fail(f"{member} takes anything")


@settings(max_examples=examples(100), deadline=None)
@given(st.text())
def test_whatever_is_said_is_looked_through(text: str) -> None:
    assert words_there(text, Tree) in ("", COLOURS, WORDS)
    assert words_there(f"x - at `$.{text}`", Tree) in ("", COLOURS, WORDS, "; there are x, y")
