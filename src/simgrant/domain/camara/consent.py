"""May a consumer process what is a subscriber's? The legal basis, and what he said (GDPR §6).

Where the basis is consent, nothing is permitted until it was given; where it is a legitimate
interest, everything is until somebody objected. A contract or an obligation by law needs nobody's
word. What a subscriber said is never overwritten: each word is an entry, and the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Final, TypeAlias

from simgrant.nouns import Word, named_noun, replace

_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


class Basis(Word):
    """Why somebody may process what is personal, by the words of GDPR Article 6."""

    CONSENT = "consent"
    LEGITIMATE_INTEREST = "legitimate_interest"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"


class Standing(Word):
    """How a processing stands, by the wire's names (CAMARA consent-info)."""

    VALID = "VALID"
    """It is permitted, by consent or another legal basis."""
    PENDING = "PENDING"
    """Nobody has said anything."""
    REQUESTED = "REQUESTED"
    """He was asked, and has not answered."""
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    OBJECTED = "OBJECTED"


class Said(Word):
    """What was said about a processing."""

    REQUESTED = "requested"
    """Nothing yet: he was asked."""
    GIVEN = "given"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    """He had given it; for a legitimate interest, he objects."""


NOES: Final = frozenset({Said.DENIED, Said.WITHDRAWN})
"""What ends a processing, or keeps it from beginning."""
About: TypeAlias = tuple[str, str, str, str]
"""Consumer, application, purpose and API."""


@named_noun
class ConsentEntry:
    """One word of a subscriber's about one consumer, purpose and API."""

    client_id: str
    application: str = ""
    purpose: str
    """W3C DPV, without the prefix."""
    api: str
    number: int = 0
    """Counts the entries about the same, from 1; 0 = it is not written yet."""
    said: Said
    at: int
    """Unix seconds."""
    expires_at: int | None = None
    """Unix seconds until when it is given; None = until it is withdrawn."""
    subject: str = field(default="", repr=False)
    """The number of the line at that time (E.164 with +), since another SIM may have it later."""
    source: str = ""
    """By which way he said it: ``portal``, ``care``, ``bss``, ``api``."""
    evidence: str = field(default="", repr=False)
    """What shows it to a third party: the version of the text, the number of a call."""
    proof: bytes = field(default=b"", repr=False)
    """Our signature over all of it and over whose it is."""

    @property
    def about(self) -> About:
        """What it is about: entries about the same follow one another."""
        return self.client_id, self.application, self.purpose, self.api


@named_noun
class Purposes:
    """The legal bases of one tenant; what is not named needs consent."""

    bases: Mapping[tuple[str, str], Basis] = field(default_factory=dict, hash=False)
    """By purpose in lower case, as variables of an environment have it, and by API; an API of
    ``""`` is every other one."""

    def basis(self, purpose: str, api: str) -> Basis:
        """Return the legal basis of a processing."""
        name = purpose.lower()
        found = self.bases.get((name, api)) or self.bases.get((name, ""))
        return found or Basis.CONSENT

    @property
    def asks(self) -> bool:
        """Whether what a subscriber said matters at all, for anything that is named."""
        return not self.bases or any(map(depends, self.bases.values()))


def in_words(purpose: str) -> str:
    """Return a purpose of W3C's DPV as people read it, who were given no other words for it."""
    return " ".join(_WORDS.findall(purpose)).lower()


def depends(basis: Basis) -> bool:
    """Say whether it matters for a basis what a subscriber said."""
    return basis in (Basis.CONSENT, Basis.LEGITIMATE_INTEREST)


def standing(basis: Basis, last: ConsentEntry | None, *, now: int) -> Standing:
    """Return how a processing stands, by its basis and the last that was said about it."""
    if not depends(basis):
        return Standing.VALID
    if basis is Basis.LEGITIMATE_INTEREST:
        against = last is not None and last.said in NOES
        return Standing.OBJECTED if against else Standing.VALID
    if last is None:
        return Standing.PENDING
    match last.said:
        case Said.GIVEN:
            over = last.expires_at is not None and now >= last.expires_at
            return Standing.EXPIRED if over else Standing.VALID
        case Said.REQUESTED:
            return Standing.REQUESTED
        case _:
            return Standing.DENIED


def holds_after(entry: ConsentEntry, last: ConsentEntry | None) -> bool:
    """Say whether a word that is told of later changes what ``last``, about the same, had said.

    It has to be said later. Within one second a no counts, and of two consents the one that ends
    first; so the order in which words arrive does not matter, and the same word counts once.
    """
    return last is None or _place(entry) > _place(last)


def _place(entry: ConsentEntry) -> tuple[int, int, float]:
    match entry.said:
        case Said.GIVEN:
            ends = float("inf") if entry.expires_at is None else entry.expires_at
            return entry.at, 1, -ends
        case Said.REQUESTED:
            return entry.at, 0, 0
        case _:
            return entry.at, 2, 0


def last_words(entries: Iterable[ConsentEntry]) -> dict[About, ConsentEntry]:
    """Return the last entry about each thing.

    Their numbers say which that is: the clocks of two nodes may not agree, and a withdrawal has to
    hold all the same.
    """
    last: dict[About, ConsentEntry] = {}
    for entry in entries:
        before = last.get(entry.about)
        if before is None or before.number < entry.number:
            last[entry.about] = entry
    return last


def numbered(entry: ConsentEntry, last: Mapping[About, ConsentEntry]) -> ConsentEntry:
    """Return an entry with the number that follows on the last one about the same."""
    before = last.get(entry.about)
    return replace(entry, number=1 if before is None else before.number + 1)


def last_said(
    entries: Sequence[ConsentEntry], *, client_id: str, application: str, purpose: str, api: str
) -> ConsentEntry | None:
    """Return the last entry about a processing; None where nothing was ever said.

    What was said about a consumer as a whole counts for its applications, unless something was said
    later about the one.
    """
    last = last_words(entries)
    about = [(client_id, whose, purpose, api) for whose in dict.fromkeys(("", application))]
    words = [last[each] for each in about if each in last]
    # Within one second, a no is the later one.
    return max(words, key=lambda each: (each.at, each.said is not Said.GIVEN), default=None)
