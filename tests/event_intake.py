"""Where events are taken over, in memory: what senders bring, and faults of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from simgrant.domain.bss_events import BssEvent
from simgrant.domain.camara.consent import ConsentEntry
from simgrant.errors import PeerUnavailable
from simgrant.ports.bss_events import MOST_RAW, Taken
from simgrant.ports.camara_consents import Speaker


def writes_nothing(_speaker: Speaker, _source: str, _event: BssEvent) -> Sequence[ConsentEntry]:
    """Make no entry of any consent (a ``Scribe``)."""
    return ()


@dataclass
class MemoryIntake:
    """Keeps events (the ``EventIntake`` port); of IMSIs in ``nobody`` there is no subscription."""

    nobody: set[str] = field(default_factory=set)
    kept: dict[tuple[str, str, str], BssEvent] = field(default_factory=dict)
    """By tenant, source and id."""
    aside: list[tuple[str, str, bytes, str]] = field(default_factory=list)
    away: bool = False
    gate: asyncio.Event | None = None
    """Where it is there, all wait for it."""
    asked: int = 0
    """How often it was told of events, those that wait for the gate too."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        self.asked += 1
        self.news.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise PeerUnavailable
        found = [self._one(tenant, source, event) for event in events]
        self.news.set()
        return found

    def _one(self, tenant: str, source: str, event: BssEvent) -> Taken:
        key = tenant, source, event.event_id
        if key in self.kept:
            return Taken.KNOWN
        if event.imsi is not None and event.imsi.digits in self.nobody:
            return Taken.SET_ASIDE
        self.kept[key] = event
        return Taken.KEPT

    async def set_aside(self, tenant: str, source: str, raw: bytes, *, reason: str) -> None:
        if self.away:
            raise PeerUnavailable
        self.aside.append((tenant, source, raw[:MOST_RAW], reason))
        self.news.set()
