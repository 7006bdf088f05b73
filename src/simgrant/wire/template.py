"""Texts with places in braces, for addresses, headers and JSON that ask about somebody.

``{{`` and ``}}`` are braces. What is put in cannot become more than a value: in an address it is
percent-encoded, in JSON it is part of a string.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

Values: TypeAlias = Mapping[str, str]
_MOST_DEPTH: Final = 8
_MOST_MEMBERS: Final = 200


class BadTemplate(ValueError):
    """The text is no template, or has a place that is not known; the message says which."""


class NotKnown(LookupError):
    """What a place stands for is not known; the message is its name."""


class Template:
    """A text, read once."""

    __slots__ = ("_parts", "_quoted", "places")

    def __init__(self, text: str, known: frozenset[str], *, encoded: bool = False) -> None:
        """``encoded`` = what is put in is percent-encoded. BadTemplate."""
        self._quoted = encoded
        self._parts: list[tuple[str, str | None]] = []
        try:
            for plain, place, how, conversion in string.Formatter().parse(text):
                if how or conversion:
                    raise BadTemplate("places have a name in braces and nothing else")
                self._parts.append((plain, place))
        except BadTemplate:
            raise
        except ValueError:
            raise BadTemplate("a brace has no twin; {{ and }} are braces themselves") from None
        self.places: Final = frozenset(place for _, place in self._parts if place is not None)
        """What it has places for."""
        if unknown := sorted(self.places - known):
            names = ", ".join(f"{{{name}}}" for name in sorted(known))
            raise BadTemplate(f"{{{unknown[0]}}} is none of {names}")

    def fill(self, values: Values) -> str:
        """Return the text with what is known in its places; NotKnown."""
        found = []
        for plain, place in self._parts:
            found.append(plain)
            if place is not None:
                if place not in values:
                    raise NotKnown(place)
                value = values[place]
                # Most are digits, which need no second look.
                is_plain = not self._quoted or (value.isalnum() and value.isascii())
                found.append(value if is_plain else quote(value, safe=""))
        return "".join(found)


class Body:
    """JSON whose strings are templates."""

    __slots__ = ("_fill", "places")

    def __init__(self, body: object, known: frozenset[str]) -> None:
        """Raise BadTemplate where it has no end, or a text in it is no template."""
        found: set[str] = set()
        self._fill = _filler(body, known, found, _MOST_DEPTH)
        self.places: Final = frozenset(found)

    def fill(self, values: Values) -> Any:
        """Return the JSON, to be encoded; NotKnown."""
        return self._fill(values)


def _filler(
    node: object, known: frozenset[str], found: set[str], depth: int
) -> Callable[[Values], object]:
    if not depth:
        raise BadTemplate("it is nested too deeply")
    if isinstance(node, str):
        template = Template(node, known)
        found |= template.places
        return template.fill
    if isinstance(node, dict | list) and len(node) > _MOST_MEMBERS:
        raise BadTemplate(f"it has more than {_MOST_MEMBERS} members")
    if isinstance(node, dict):
        members = {name: _filler(each, known, found, depth - 1) for name, each in node.items()}
        return lambda values: {name: fill(values) for name, fill in members.items()}
    if isinstance(node, list):
        items = [_filler(each, known, found, depth - 1) for each in node]
        return lambda values: [fill(values) for fill in items]
    if node is None or isinstance(node, bool | int | float):
        return lambda _: node
    raise BadTemplate("it has something that JSON has not")
