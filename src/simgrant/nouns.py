"""``noun`` and ``Word``: how a value and a closed set of words are declared here.

A noun is a value that nobody may change. It is declared, checked and looked at as a dataclass;
at run time it is a `msgspec.Struct`, whose values are made, compared and hashed in C: one
request makes some hundred and fifty fields (ADR 0009).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field
from enum import IntEnum, StrEnum
from functools import partialmethod
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import msgspec

if TYPE_CHECKING:
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["Number", "Word", "named_noun", "noun", "replace"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def noun(cls: type[T]) -> type[T]:
    """Return ``cls`` as a class of unchangeable values, compared and hashed by their fields."""
    return _struct(cls, kw_only=False)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def named_noun(cls: type[T]) -> type[T]:
    """Return the same with every field to be named when one is made."""
    return _struct(cls, kw_only=True)


def _struct(cls: type[T], *, kw_only: bool) -> type[T]:
    """Return the struct of a class as it was written down.

    `dataclass` reads the fields and writes what a struct has no words for: a repr that keeps a
    field to itself, comparing without one. What it notes of them stays, so all that looks at
    dataclasses sees one.
    """
    tells_itself = "__repr__" in vars(cls)
    compares = any(
        isinstance(each, Field) and (not each.compare or each.hash is False)
        for each in vars(cls).values()
    )
    noted = dataclass(init=False, eq=compares, unsafe_hash=compares)(cls)
    fields = dataclasses.fields(noted)  # type: ignore[arg-type]
    members = {
        name: value
        for name, value in vars(cls).items()
        if name not in {"__dict__", "__weakref__", "__match_args__"}
    }
    if tells_itself or not all(each.repr for each in fields):
        shown = () if tells_itself else tuple(each.name for each in fields if each.repr)
        members["__rich_repr__"] = partialmethod(_shown, shown)
    for each in fields:
        if each.default_factory is not MISSING:
            members[each.name] = msgspec.field(default_factory=each.default_factory)
    bases = tuple(msgspec.Struct if base is object else base for base in cls.__bases__)
    if msgspec.Struct not in bases:
        bases = (msgspec.Struct, *bases)
    kind: Any = type(msgspec.Struct)
    made: type[T] = kind(cls.__name__, bases, members, frozen=True, kw_only=kw_only)
    return made


def _shown(self: object, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Give what a noun shows of itself, to whoever prints values by their fields."""
    return ((name, getattr(self, name)) for name in names)


class Word(StrEnum):
    """A closed set of words. Each is hashed as the text it is: Enum does it ten times slower."""

    __hash__ = str.__hash__


class Number(IntEnum):
    """A closed set of numbers, each hashed as the number it is."""

    __hash__ = int.__hash__
