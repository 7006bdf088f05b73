"""What the portal is asked and what it answers: one request, one reply, no connection."""

from __future__ import annotations

from dataclasses import field

from simgrant.errors import EcsError
from simgrant.nouns import named_noun, noun


@named_noun
class Asked:
    """A request, as far as the portal looks at it."""

    method: str
    path: str
    query: bytes = field(default=b"", repr=False)
    body: bytes = field(default=b"", repr=False)
    host: str = ""
    source: str = ""
    """Address of who asks."""
    accept_language: str = ""
    user_agent: str = ""
    fault: EcsError | None = None
    """Why it never became whole."""


@noun
class Told:
    """Status, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
