"""Documents that people write, read table by table; mistakes are noted and reading goes on.

Every getter returns something of the right type, whatever was written: where it is of no use, a
mistake has been noted, and nobody uses the whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from simgrant.domain.problems import Problems, did_you_mean, shown

T = TypeVar("T")

MOST_ENTRIES = 500
"""Entries of a table, unless said otherwise."""
MOST_LANGUAGES = 50
MOST_LETTERS = 500
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class Reader:
    """Getters for what a document holds."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def say(self, where: str, key: str, message: str) -> None:
        """Note one mistake."""
        self.problems.add(where, key, message)

    def table(
        self, given: object, where: str, key: str, *, known: Iterable[str]
    ) -> dict[str, object]:
        """Return the entries of a table that may have only the known keys."""
        names = tuple(known)
        found: dict[str, object] = {}
        for name, value in self.entries(given, where, key):
            if name in names:
                found[name] = value
            else:
                self.say(where, key, f"unknown key {shown(name)}{did_you_mean(name, names)}")
        return found

    def entries(
        self, given: object, where: str, key: str = "", *, most: int = MOST_ENTRIES
    ) -> list[tuple[str, object]]:
        """Return the entries of a table of any keys, as many as allowed."""
        if not isinstance(given, Mapping):
            self.say(where, key, f"must be a table, not {shown(given)}")
            return []
        if len(given) > most:
            self.say(where, key, f"has more than {most} entries")
            return []
        for name in given:
            if not isinstance(name, str):
                self.say(where, key, f"unknown key {shown(name)}")
        return [(name, value) for name, value in given.items() if isinstance(name, str)]

    def named(
        self, given: object, where: str, *, most: int = MOST_ENTRIES
    ) -> list[tuple[str, object]]:
        """Return the entries of a table whose keys are names that others refer to."""
        found = []
        for name, value in self.entries(given, where, most=most):
            if NAME.fullmatch(name):
                found.append((name, value))
            else:
                self.say(where, shown(name), "must be letters, digits and _ in lower case")
        return found

    def items(self, given: object, where: str, key: str, *, most: int) -> list[object]:
        """Return the entries of a list."""
        if not isinstance(given, list):
            self.say(where, key, f"must be a list, not {shown(given)}")
            return []
        if len(given) > most:
            self.say(where, key, f"has more than {most} entries")
            return []
        return given

    def number(self, given: object, where: str, key: str, *, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            message = f"must be a whole number from {least} to {most}, not {shown(given)}"
            self.say(where, key, message)
            return least
        return given

    def word(self, given: object, where: str, key: str, words: Mapping[str, T]) -> T:
        """Return what one of the words stands for."""
        if not isinstance(given, str) or given not in words:
            self.say(where, key, f"unknown value {shown(given)}{did_you_mean(given, words)}")
            return next(iter(words.values()))
        return words[given]

    def truth(self, given: object, where: str, key: str) -> bool:
        """Return true or false."""
        if not isinstance(given, bool):
            self.say(where, key, f"must be true or false, not {shown(given)}")
        return given is True

    def required(self, given: object, where: str, key: str) -> bool:
        """Return what ``required`` and ``not_required`` say; left out is the latter."""
        words = {"required": True, "not_required": False}
        return given is not None and self.word(given, where, key, words)

    def plmn(self, given: object, where: str, key: str) -> str:
        """Return MCC and MNC as digits."""
        return self._digits(given, where, key, lengths=(5, 6), what="a network")

    def mcc(self, given: object, where: str, key: str) -> str:
        """Return a country's MCC."""
        return self._digits(given, where, key, lengths=(3,), what="a country code")

    def _digits(
        self, given: object, where: str, key: str, *, lengths: tuple[int, ...], what: str
    ) -> str:
        if isinstance(given, str) and len(given) in lengths and given.isascii() and given.isdigit():
            return given
        span = " or ".join(map(str, lengths))
        self.say(where, key, f"{what} has {span} digits, in quotes; {shown(given)} is none")
        return ""

    def text(self, given: object, where: str, key: str) -> str:
        """Return a text that phones show, or read, as it is."""
        if not isinstance(given, str) or not 1 <= len(given) <= MOST_LETTERS:
            self.say(where, key, f"must be a text of 1 to {MOST_LETTERS} characters")
        elif not given.isprintable() or not {"<", '"'}.isdisjoint(given):
            # Phones show XML escapes and line breaks as they are written (AOSP XmlDoc).
            self.say(where, key, 'must not hold <, " or a line break: phones garble them')
        else:
            return given
        return ""

    def languages(self, given: object, where: str, key: str) -> Mapping[str, str]:
        """Return a text in several languages, by BCP 47 tag."""
        found: dict[str, str] = {}
        for language, text in self.entries(given, where, key, most=MOST_LANGUAGES):
            place = f"{key}.{language[:16]}".lstrip(".")
            if not _LANGUAGE.fullmatch(language):
                self.say(where, place, f"{shown(language)} is no language tag such as en or pt-BR")
            elif said := self.text(text, where, place):
                found[language] = said
        return found

    def note(self, given: object, where: str, key: str) -> str:
        """Return a text for the operator's own people, of one line."""
        if isinstance(given, str) and 1 <= len(given) <= MOST_LETTERS and given.isprintable():
            return given
        self.say(where, key, f"must be a line of 1 to {MOST_LETTERS} characters")
        return ""

    def among(
        self,
        given: object,
        where: str,
        key: str,
        known: Collection[str],
        *,
        what: str,
        least: int = 0,
        most: int = MOST_ENTRIES,
    ) -> frozenset[str]:
        """Return a list of names, all of which are known; ``what`` they are says a mistake."""
        if not isinstance(given, list) or not least <= len(given) <= most:
            self.say(where, key, f"must be a list of {what}, not {shown(given)}")
            return frozenset()
        for name in given:
            if not isinstance(name, str) or name not in known:
                self.problems.unknown(where, key, name, known)
        return frozenset(name for name in given if isinstance(name, str))

    def said(
        self, given: object, where: str, key: str, texts: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, str]:
        """Return a text: the name of a shared one, or a table of languages."""
        if not isinstance(given, str):
            return self.languages(given, where, key)
        if given not in texts:
            self.problems.unknown(where, key, given, texts)
        return texts.get(given, {})
