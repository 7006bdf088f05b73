"""``noun`` and ``Word``: how a value and a closed set of words are declared here.

A noun is a dataclass that nobody may change.

The type checker refuses every assignment to a field (``mypy --strict`` is part
of the checks). At run time the class is a plain slotted dataclass, since the
run-time guard of ``frozen=True`` costs a tenth of a microsecond per field, and
one request makes some hundred and fifty fields (ADR 0009).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def noun(cls: type[T]) -> type[T]:
    """Return ``cls`` as a slotted dataclass, compared and hashed by its fields."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def named_noun(cls: type[T]) -> type[T]:
    """Return the same with every field to be named when one is made."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=True)(cls)


class Word(StrEnum):
    """A closed set of words. Each is hashed as the text it is: Enum does it ten times slower."""

    __hash__ = str.__hash__


class Number(IntEnum):
    """A closed set of numbers, each hashed as the number it is."""

    __hash__ = int.__hash__
