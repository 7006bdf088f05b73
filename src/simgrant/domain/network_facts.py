"""What core networks say of subscribers when they are asked, and how long that is good."""

from __future__ import annotations

from dataclasses import field
from typing import Final, TypeAlias

from simgrant.nouns import Word, named_noun, noun


class Kind(Word):
    """What a network can be asked about a subscriber."""

    NUMBER = "number"
    LOCATION = "location"
    REGISTRATION = "registration"


Kinds: TypeAlias = frozenset[Kind]
"""Some of them."""
NO_KINDS: Final = Kinds()


class Registration(Word):
    """Whether the network has the subscriber's phone."""

    REGISTERED = "registered"
    """A mobile network serves it, here or abroad."""
    NOT_REGISTERED = "not_registered"
    """It is switched off, or was not heard of for long."""
    UNKNOWN = "unknown"


@noun
class Learned:
    """What a network said of one thing."""

    value: str = field(repr=False)
    """Digits of a number or a network, or a `Registration`; empty = it never told any."""
    source: str
    """Who said it, as the settings name it: ``hss.home``."""
    at: int
    """Unix seconds at which it was so."""
    asked_at: int
    """Unix seconds at which it was asked last; 0 = it has to be asked anew."""


@noun
class Heard:
    """What networks said that facts are made of, as far as it is good."""

    location: Learned | None = None
    registration: Learned | None = None


NOTHING_HEARD: Final = Heard()


@named_noun
class Age:
    """How long what a network said is good."""

    fresh_s: int
    """Seconds after which it is asked anew."""
    max_s: int
    """Seconds after which it counts as unknown, where nothing new is told."""

    def is_fresh(self, learned: Learned, *, now: float) -> bool:
        """Say whether nobody needs to be asked."""
        return 0 <= now - learned.asked_at <= self.fresh_s

    def is_good(self, learned: Learned, *, now: float) -> bool:
        """Say whether it may be decided upon."""
        return now - learned.at <= self.max_s
