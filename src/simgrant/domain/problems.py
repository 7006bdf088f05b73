"""What is wrong with a document that people write, collected instead of raised one by one.

Someone who edits forty rules wants all the mistakes at once, each with its place and, for a name
nobody knows, the name that was probably meant. What was written is never repeated in full: it may
be of any size and from anyone.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

from simgrant.nouns import noun

_MOST_PROBLEMS = 100
_MOST_SHOWN = 40


@noun
class Problem:
    """One mistake and where it is."""

    where: str
    """``rule "suspended"``, ``plans.basic`` … ; empty for the document as a whole."""
    key: str
    """The key inside it, with dots; empty when all of it is wrong."""
    message: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.where, self.key) if part)
        return f"{place}: {self.message}" if place else self.message


class Problems:
    """The mistakes found so far; the count is bounded, like everything read from outside."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, where: str, key: str, message: str) -> None:
        """Note one mistake."""
        if len(self._found) < _MOST_PROBLEMS:
            self._found.append(Problem(_line(where), _line(key), message))

    def unknown(self, where: str, key: str, name: object, known: Iterable[str]) -> None:
        """Note a name that nobody knows, and the one that was probably meant."""
        self.add(where, key, f"unknown name {shown(name)}{did_you_mean(name, known)}")

    @property
    def found(self) -> tuple[Problem, ...]:
        """All mistakes, in the order of the document."""
        return tuple(self._found)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a hint to the nearest known name, or to all of them when they are few."""
    names = sorted(known)
    near = get_close_matches(str(name)[:64], names, 1) if isinstance(name, str) else []
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 16 else ""


def shown(value: object) -> str:
    """Return what was written on one line, shortened, as TOML writes it where that is easy."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_short(_line(value[: _MOST_SHOWN + 1]))}"'
    return _short(reprlib.repr(value))


def _line(text: str) -> str:
    """Return a text without what could garble the line it is shown in."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
