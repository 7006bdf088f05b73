"""Where events of an operator's systems are taken over, whoever brings them.

`EventIntake.take` returns once nothing of them can be lost any more: only then is a sender told so,
or an offset committed. Who brings an event says no more than that; what follows from it is done by
whoever empties the inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from simgrant.domain.bss_events import BssEvent
from simgrant.nouns import Word

MOST_RAW: Final = 64 * 1024
"""Bytes that are kept of an event that nobody could read."""


class Taken(Word):
    """What became of an event that was brought."""

    KEPT = "kept"
    KNOWN = "known"
    """The same source brought one of the same id before."""
    SET_ASIDE = "set_aside"
    """Nothing can be done for it now, such as where there is no such subscription. A person finds
    it, and may have it done later."""


class EventIntake(Protocol):
    """The port; both methods raise PeerUnavailable where the store is away."""

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        """Keep events in one transaction, all or none; return what became of each, in order."""

    async def set_aside(self, tenant: str, source: str, raw: bytes, *, reason: str) -> None:
        """Keep what could not be read, the first `MOST_RAW` bytes of it, with a word for why."""
