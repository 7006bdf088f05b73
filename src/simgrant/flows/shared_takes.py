"""Events that are brought while others of a source are being kept share the next transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from simgrant.domain.bss_events import BssEvent
from simgrant.ports.bss_events import Taken
from simgrant.together import Together

Events: TypeAlias = Sequence[BssEvent]
Keep: TypeAlias = Callable[[str, str, Events], Awaitable[Sequence[Taken]]]
"""Keeps events of a tenant's source in one transaction, all or none."""

MOST: Final = 250
"""Events in one transaction, unless one caller brings more."""
MOST_WAITING: Final = 1000
"""Events of one source that wait; who brings more is to come again."""


class SharedTakes:
    """Takes events of each source in transactions that follow each other."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._sources: dict[tuple[str, str], Together[Events, Sequence[Taken]]] = {}

    async def take(self, tenant: str, source: str, events: Events) -> Sequence[Taken]:
        """Return what became of events, once they are kept: all of a call, or none.

        Raises what `Together.one` does.
        """
        key = tenant, source
        if key not in self._sources:
            self._sources[key] = Together(
                lambda calls: self._take(key, calls),
                most=MOST,
                most_waiting=MOST_WAITING,
                weight=len,
            )
        return await self._sources[key].one(events)

    async def _take(
        self, key: tuple[str, str], calls: Sequence[Events]
    ) -> Sequence[Sequence[Taken]]:
        taken = await self._keep(*key, [event for events in calls for event in events])
        ends = accumulate(map(len, calls), initial=0)
        return [taken[start:end] for start, end in pairwise(ends)]
