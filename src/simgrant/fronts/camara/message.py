"""What partners ask and what they are told: one request, one reply, no connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TypeAlias

from simgrant.domain.trail import Trail
from simgrant.errors import EcsError
from simgrant.nouns import named_noun, noun


@named_noun
class Asked:
    """A request, as far as anybody looks at it. A header that did not come is empty; one that came
    twice is both, with a comma between."""

    method: str
    path: str
    query: bytes = field(default=b"", repr=False)
    body: bytes = field(default=b"", repr=False)
    host: str = ""
    source: str = ""
    """Address of who asks."""
    authorization: str = field(default="", repr=False)
    content_type: str = ""
    accept: str = ""
    x_correlator: str = ""
    """As it came, whatever it is."""
    dpop: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    """SHA-256 of the client's certificate, which the handshake checked; empty = it showed none."""
    user_agent: str = ""
    fault: EcsError | None = None
    """Why it never became whole."""


@named_noun
class Task:
    """What goes with a request on its way: its record, its time and its name."""

    trail: Trail
    """Whoever handles the request says in it whose it was and what became of it."""
    deadline: float
    """Seconds of the monotonic clock."""
    correlator: str
    """``x-correlator`` of the answer: the request's own if it has one that is well-formed."""


@noun
class Told:
    """Status, headers and body; length, ``x-correlator`` and what every answer has are added."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


Handler: TypeAlias = Callable[[Asked, Task], Awaitable[Told]]
"""Answers what is under one prefix; it may raise `EcsError`."""
