"""An operator's own parameters: what an answer holds beside those of TS.43.

Read here as text; which names are taken, the services know (``services.own``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from simgrant.domain.problems import shown
from simgrant.domain.reading import Reader
from simgrant.nouns import noun

MOST_ITEMS = 100
"""Parameters and characteristics of one service, all levels taken together."""
MOST_DEPTH = 3
"""Characteristics inside characteristics."""

_APP = re.compile(r"ap[0-9]{4}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@noun
class OwnParm:
    """A parameter and its value."""

    name: str
    value: str


@noun
class OwnGroup:
    """A characteristic."""

    name: str
    entries: tuple[OwnItem, ...]
    listed: bool
    """Whether it is a list of characteristics of one name."""


OwnItem: TypeAlias = OwnParm | OwnGroup


def read_own(given: object, reader: Reader) -> Mapping[str, tuple[OwnItem, ...]]:
    """Return the own parameters by AppID."""
    found: dict[str, tuple[OwnItem, ...]] = {}
    for app_id, entry in reader.entries(given, "own"):
        if _APP.fullmatch(app_id):
            found[app_id] = _Service(reader, f"own.{app_id}").items(entry, "", depth=0)
        else:
            reader.say("own", shown(app_id), "must be an AppID such as ap2003")
    return found


class _Service:
    """Reads the own parameters of one service, and counts them."""

    def __init__(self, reader: Reader, where: str) -> None:
        self._read = reader
        self._where = where
        self._count = 0

    def items(self, given: object, key: str, *, depth: int) -> tuple[OwnItem, ...]:
        if depth > MOST_DEPTH:
            self._say(key, f"is nested deeper than {MOST_DEPTH} characteristics")
            return ()
        found: list[OwnItem] = []
        names: set[str] = set()
        for name, value in self._read.entries(given, self._where, key, most=MOST_ITEMS):
            place = f"{key}.{name[:64]}".lstrip(".")
            self._count += 1
            if self._count > MOST_ITEMS:
                if self._count == MOST_ITEMS + 1:
                    self._say("", f"has more than {MOST_ITEMS} parameters and characteristics")
                break
            if not _NAME.fullmatch(name):
                self._say(key, f"{shown(name)} is no name: letters, digits, _ - and . only")
            if name.lower() in names:
                self._say(place, "is there twice: some phones do not regard the case of letters")
            names.add(name.lower())
            found.append(self._item(name, value, place, depth=depth))
        return tuple(found)

    def _item(self, name: str, value: object, place: str, *, depth: int) -> OwnItem:
        if isinstance(value, Mapping):
            match list(value.items()):
                case [(str(inner), [*entries])]:
                    return self._list(name, inner, entries, place, depth=depth)
            inside = self.items(value, place, depth=depth + 1)
            if not value:
                self._say(place, "is empty")
            return OwnGroup(name, inside, listed=False)
        if isinstance(value, int) and not isinstance(value, bool):
            return OwnParm(name, str(value))
        return OwnParm(name, self._read.text(value, self._where, place))

    def _list(
        self, name: str, inner: str, entries: list[object], place: str, *, depth: int
    ) -> OwnItem:
        if not _NAME.fullmatch(inner):
            self._say(place, f"{shown(inner)} is no name: letters, digits, _ - and . only")
        if not 1 <= len(entries) <= MOST_ITEMS:
            self._say(place, f"must have 1 to {MOST_ITEMS} entries")
            return OwnGroup(name, (), listed=True)
        self._count += len(entries)
        groups = tuple(
            OwnGroup(
                inner,
                self.items(entry, f"{place}.{inner}[{number}]", depth=depth + 2),
                listed=False,
            )
            for number, entry in enumerate(entries, 1)
        )
        return OwnGroup(name, groups, listed=True)

    def _say(self, key: str, message: str) -> None:
        self._read.say(self._where, key, message)
