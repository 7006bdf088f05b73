"""Sinks of consumers, which events are delivered to (CAMARA, CloudEvents)."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from simgrant.nouns import named_noun, noun


@named_noun
class Letter:
    """One event on its way."""

    url: str = field(repr=False)
    access_token: str = field(repr=False)
    """Empty = the sink wants none."""
    correlator: str
    body: bytes = field(repr=False)
    """CloudEvents as JSON."""


@noun
class Answered:
    """What a sink said."""

    status: int
    retry_after_s: float | None = None
    """Seconds that it asked for."""


class CamaraSinks(Protocol):
    """The port."""

    async def deliver(self, letter: Letter, *, deadline: float) -> Answered:
        """Return the answer by ``deadline`` (seconds of the monotonic clock).

        Errors: PeerUnavailable, PeerMisbehaved; Unsent with the reason ``address_not_allowed``
        where the address leads to where no event may go. Redirects are answers like any other.
        """
