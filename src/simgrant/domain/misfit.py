"""What there would have been, where a value is none of the words that its type has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import inspect

_STEP: Final = re.compile(r"\.([^.\[\]`]+)|\[[^\]]*\]")


def misfit(problem: object, kind: Any) -> str:
    """Return what msgspec says of a value that does not fit, with the words that there are.

    ``problem`` is its ValidationError, whose text ends in the value's place; ``kind`` is the type
    that was read. A place whose type has no words is left as it was said.
    """
    return f"{problem}{words_there(problem, kind)}"


def words_there(problem: object, kind: Any) -> str:
    """Return ``; there are a, b`` for the place that a ValidationError names, or nothing."""
    place = str(problem).partition(" - at `$")[2]
    found: list[inspect.Type] = [inspect.type_info(kind)]
    for step in _STEP.finditer(place):
        found = [below for each in found for below in _below(each, step[1] or "")]
    words = [word for each in found for word in _words(each) if word]
    return f"; there are {', '.join(words)}" if words else ""


def _below(kind: inspect.Type, name: str) -> Iterator[inspect.Type]:
    """Yield what is below a type: a field by name, or without one, what it is a series of."""
    match kind:
        case inspect.UnionType(types=types):
            for each in types:
                yield from _below(each, name)
        case inspect.StructType(fields=fields):
            yield from (each.type for each in fields if each.encode_name == name)
        case (
            inspect.ListType(item_type=below)
            | inspect.SetType(item_type=below)
            | inspect.FrozenSetType(item_type=below)
            | inspect.VarTupleType(item_type=below)
            | inspect.DictType(value_type=below)
        ) if not name:
            yield below
        case _:
            return


def _words(kind: inspect.Type) -> Iterable[str]:
    match kind:
        case inspect.UnionType(types=types):
            return (word for each in types for word in _words(each))
        case inspect.LiteralType(values=values):
            return map(str, values)
        case inspect.EnumType(cls=words):
            return (str(each.value) for each in words)
        case _:
            return ()
