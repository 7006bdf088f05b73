"""What a subscriber has, looked up by requests that the settings describe.

Those that tell what is wanted are asked at the same time; one that knows no such subscription
speaks for all.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import fields

from simgrant.adapters.bss.mapped.requests import (
    CORRELATION_ID,
    Asker,
    Wanted,
    misbehaved,
    values_of,
)
from simgrant.domain.answer_rules import Useless
from simgrant.domain.eligibility import Aspects, Eligibility
from simgrant.links.api import ApiLink
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Subscriber


class MappedLookups:
    """A BSS (the ``EligibilitySource`` port). No two of its requests tell the same aspect."""

    def __init__(
        self, link: ApiLink, requests: Sequence[Wanted], clock: Clock, *, tenant: str
    ) -> None:
        self._link = link
        self._asker = Asker(link, clock)
        self._requests = tuple(requests)
        self._tenant = tenant
        self._correlates = any(CORRELATION_ID in each.places for each in requests)
        self.tells: Aspects = frozenset().union(*(each.reading.tells for each in requests))

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        """Return what is told of these aspects (see the port)."""
        asked = [each for each in self._requests if each.reading.tells & wants]
        correlation_id = str(uuid.uuid4()) if self._correlates else ""
        values = values_of(who, tenant=self._tenant, correlation_id=correlation_id)
        if len(asked) == 1:
            return await self._one(asked[0], who, wants, values, deadline)
        tasks = [
            asyncio.ensure_future(self._one(each, who, wants, values, deadline)) for each in asked
        ]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        told = [each for each in found if each is not None]
        return _joined(told) if len(told) == len(found) else None

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    async def _one(
        self,
        wanted: Wanted,
        who: Subscriber,
        wants: Aspects,
        values: dict[str, str],
        deadline: float,
    ) -> Eligibility | None:
        document = await self._asker.ask(wanted, who, values, deadline=deadline)
        if document is None:
            return None
        try:
            return wanted.reading.understand(document, wants)
        except Useless as error:
            raise misbehaved(f"{self._link.peer}: {wanted.name}", str(error)) from None


def _joined(parts: Sequence[Eligibility]) -> Eligibility:
    told = {
        each.name: value
        for part in parts
        for each in fields(Eligibility)
        if (value := getattr(part, each.name)) is not None
    }
    return Eligibility(**told)
