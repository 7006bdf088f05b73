"""What a noun is: unchangeable, compared by its fields, silent about what it keeps to itself."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Generic, TypeVar

import pytest
from rich.pretty import pretty_repr

from simgrant.nouns import named_noun, noun, replace

T = TypeVar("T")


@noun
class Pair:
    """Two things."""

    one: int
    other: str = "b"


@noun
class Guarded:
    name: str
    secret: bytes = field(repr=False)
    notes: Mapping[str, str] = field(default_factory=dict, hash=False)
    seen: int = field(default=0, compare=False)


@named_noun
class Silent:
    secret: str

    def __repr__(self) -> str:
        return "Silent"


@noun
class Checked:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("negative")


@noun
class Box(Generic[T]):
    value: T


GUARDED = Guarded("a", b"key", {"x": "y"})


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Pair(1).one = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Pair(1).more = 2  # type: ignore[attr-defined]


def test_it_is_made_by_place_or_by_name() -> None:
    assert Pair(1, "b") == Pair(other="b", one=1) == Pair(1)
    assert Silent(secret="x").secret == "x"
    with pytest.raises(TypeError):
        Silent("x")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]


def test_it_is_compared_and_hashed_by_its_fields() -> None:
    assert Pair(1, "b") != Pair(1, "c")
    assert {Pair(1), Pair(1, "b"), Pair(2)} == {Pair(1), Pair(2)}
    assert Pair(1) != Box(1)  # type: ignore[comparison-overlap]


def test_fields_may_be_left_out_of_comparing_and_of_the_hash() -> None:
    assert replace(GUARDED, seen=5) == GUARDED
    assert replace(GUARDED, notes={}) != GUARDED
    assert hash(replace(GUARDED, notes={}, seen=5)) == hash(GUARDED)


@pytest.mark.parametrize("shown", [repr, str, pretty_repr])
def test_it_shows_nothing_that_it_keeps_to_itself(shown: object) -> None:
    assert callable(shown)
    assert "'a'" in shown(GUARDED)
    assert "key" not in shown(GUARDED)
    assert "pin" not in shown(Silent(secret="pin"))


def test_a_changed_copy_is_checked_like_a_new_one() -> None:
    for change in (replace, dataclasses.replace):
        assert change(Pair(1), one=2) == Pair(2)
        with pytest.raises(ValueError, match="negative"):
            change(Checked(1), number=-1)
        with pytest.raises(TypeError):
            change(Pair(1), none_such=1)


def test_a_default_is_made_for_each() -> None:
    assert Guarded("a", b"").notes is not Guarded("a", b"").notes


def test_whatever_looks_at_dataclasses_sees_one() -> None:
    pair: Any = Pair(1)
    assert [each.name for each in dataclasses.fields(pair)] == ["one", "other"]
    assert dataclasses.asdict(pair) == {"one": 1, "other": "b"}


def test_it_is_matched_by_place() -> None:
    match Pair(1):
        case Pair(one, other):
            assert (one, other) == (1, "b")


def test_it_is_copied_and_pickled() -> None:
    assert copy.deepcopy(GUARDED) == GUARDED
    assert pickle.loads(pickle.dumps(GUARDED)) == GUARDED  # noqa: S301


def test_it_may_be_of_any_type() -> None:
    assert Box[int](1) == Box(1)
    assert Pair.__doc__ == "Two things."
