"""What the pages about consents show. What is agreed to is here word by word, since it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from hashlib import sha256
from typing import TypeAlias

from simgrant.nouns import noun

Carried: TypeAlias = Sequence[tuple[str, str]]
"""Fields of a form that come back as they are."""


@noun
class Prove:
    """Somebody came by a link, or by himself; nobody knows yet who he is."""

    asks: str
    """Who asks for a consent; empty = he came by himself, and says his number."""
    carried: Carried = field(repr=False)
    malformed: bool = False
    """Whether what he said is no number."""
    leads_to: str = ""
    """Origin of where he may go from there; empty = nowhere."""


@noun
class EnterCode:
    """A one-time password was sent, or seems to be."""

    carried: Carried = field(repr=False)
    wrong: bool = False
    leads_to: str = ""
    """As of `Prove`."""


@noun
class AskConsent:
    """Who asks, for what, for how long; and two buttons."""

    title: str
    facts: Sequence[tuple[str, Sequence[str]]]
    """What is said of what is asked: a heading, and what is below it."""
    note: str
    give: str
    refuse: str
    carried: Carried = field(repr=False, compare=False)
    leads_to: str = field(default="", compare=False)
    """Origin of where he goes from there; empty = nowhere."""

    @property
    def fingerprint(self) -> str:
        """What names the words: a form counts for those that were shown with it."""
        words = (self.title, tuple(self.facts), self.note, self.give, self.refuse)
        return sha256(repr(words).encode()).hexdigest()[:16]


@noun
class SaidSo:
    """What somebody said about one consumer and purpose."""

    name: str
    """What a form calls it."""
    who: str
    purpose: str
    apis: Sequence[str]
    said: str
    """What he said, with its dates."""
    holds: bool
    """Whether it is a consent that holds, and can be withdrawn."""


@noun
class SaidList:
    """All that somebody said."""

    items: Sequence[SaidSo]
    saved: bool = False
    """Whether he just said something."""


ConsentScreen: TypeAlias = Prove | EnterCode | AskConsent | SaidList
