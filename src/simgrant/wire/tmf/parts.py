"""What resources of all TM Forum APIs have in common: references, characteristics, errors, times.

Only what is of use here is read, and that strictly; what else a resource has is passed over, since
each operator extends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from simgrant.wire.instant import pull_instant
from simgrant.wire.sbi.body import BadMessage, read

__all__ = [
    "MOST_TEXT",
    "BadMessage",
    "Characteristic",
    "Error",
    "Part",
    "Reference",
    "Text",
    "characteristics_of",
    "push_characteristics",
    "read",
    "unix_seconds",
]

MOST_TEXT: Final = 1024
"""Letters of one text."""
_MOST_CHARACTERISTICS: Final = 256
_INTEGERS: Final = 1e15

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """A resource or a part of one. It is about a subscriber, so its repr shows nothing of it."""

    def __repr__(self) -> str:
        """Return the name of its kind."""
        return f"{type(self).__name__}(…)"


class Reference(Part, frozen=True):
    """Something else, by id or by name."""

    id: Text = ""
    name: Text = ""

    @property
    def names(self) -> frozenset[str]:
        """Return all that it can be known by."""
        return frozenset({self.id, self.name} - {""})


class Characteristic(Part, frozen=True):
    """A name and a value of whatever kind."""

    name: Text
    value: Any = None

    @property
    def text(self) -> str:
        """Return the value as text; empty where it is none, or more than one.

        Some servers wrap it in an object, as the definitions of version 4 have it.
        """
        value = self.value
        while isinstance(value, dict) and len(value) == 1 and {"value", "@value"} & value.keys():
            (value,) = value.values()
        match value:
            case bool():
                return "true" if value else "false"
            case str():
                return value if len(value) <= MOST_TEXT else ""
            case int():
                return str(value) if abs(value) < _INTEGERS else ""
            case float() if value.is_integer() and abs(value) < _INTEGERS:
                return str(int(value))
            case float():
                return str(value)
        return ""


Characteristics: TypeAlias = Annotated[
    tuple[Characteristic, ...], msgspec.Meta(max_length=_MOST_CHARACTERISTICS)
]
"""Those of one resource."""


class Error(Part, frozen=True):
    """Why something was not done (TMF630)."""

    code: Any = ""
    reason: Text = ""
    message: Text = ""


def characteristics_of(found: Iterable[Characteristic]) -> dict[str, str]:
    """Return values by name; of a repeated name the first, without those that are no text."""
    told: dict[str, str] = {}
    for each in found:
        if (text := each.text) != "":
            told.setdefault(each.name, text)
    return told


def push_characteristics(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return values as a resource has them, without those that are empty."""
    return [
        {"name": name, "valueType": "string", "value": value}
        for name, value in values.items()
        if value
    ]


def unix_seconds(text: str) -> int | None:
    """Return when a date-time of RFC 3339 is, or the beginning of a date; None = it is neither.

    A time without a zone is of UTC.
    """
    try:
        return pull_instant(text)
    except ValueError:
        return None
