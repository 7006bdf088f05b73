"""Events that are brought while others are being kept share the next transaction.

A transaction costs the same few journeys for one event as for many. Nobody waits for company: who
finds nobody there is kept at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from simgrant.domain.bss_events import BssEvent
from simgrant.errors import EcsError, PeerUnavailable
from simgrant.ports.bss_events import Taken

Keep: TypeAlias = Callable[[str, str, Sequence[BssEvent]], Awaitable[Sequence[Taken]]]
"""Keeps events of a tenant's source in one transaction, all or none."""

MOST: Final = 250
"""Events in one transaction, unless one caller brings more."""
MOST_WAITING: Final = 1000
"""Events of one source that wait; who brings more is to come again."""


@dataclass(slots=True, eq=False)
class _Call:
    """Who waits to be told what became of his events."""

    events: Sequence[BssEvent]
    taken: asyncio.Future[Sequence[Taken]]


class SharedTakes:
    """Takes events of each source in transactions that follow each other."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._waiting: dict[tuple[str, str], list[_Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        """Return what became of events, once they are kept: all of a call, or none.

        Raises what keeping them raises, and PeerUnavailable ``store_overloaded`` where too many
        wait.
        """
        key = tenant, source
        call = _Call(events, asyncio.get_running_loop().create_future())
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = [call]
            task = asyncio.create_task(self._run(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif sum(len(each.events) for each in waiting) + len(events) > MOST_WAITING:
            raise PeerUnavailable("store_overloaded", for_operator="too many events wait")
        else:
            waiting.append(call)
        return await call.taken

    async def _run(self, key: tuple[str, str]) -> None:
        """Keep what waits until nothing does."""
        calls: list[_Call] = []
        try:
            while calls := _next(self._waiting[key]):
                await self._take(key, calls)
        finally:
            # Only where it is cancelled there are any.
            for call in [*calls, *self._waiting.pop(key)]:
                call.taken.cancel()

    async def _take(self, key: tuple[str, str], calls: Sequence[_Call]) -> None:
        try:
            taken = await self._keep(*key, [event for call in calls for event in call.events])
        except PeerUnavailable as error:
            for call in calls:
                _fail(call, error)
        except Exception as error:
            if len(calls) == 1:
                _fail(calls[0], error)
                return
            # One by one it shows whose it is; the others' are kept.
            for call in calls:
                await self._take(key, [call])
        else:
            start = 0
            for call in calls:
                end = start + len(call.events)
                if not call.taken.done():
                    call.taken.set_result(taken[start:end])
                start = end


def _next(waiting: list[_Call]) -> list[_Call]:
    """Take those from what waits whose events are kept next; who went away has none kept."""
    calls: list[_Call] = []
    count = 0
    while waiting and (not calls or count + len(waiting[0].events) <= MOST):
        call = waiting.pop(0)
        if not call.taken.done():
            calls.append(call)
            count += len(call.events)
    return calls


def _fail(call: _Call, error: Exception) -> None:
    """Tell a caller; an error of several is another one for each, since who raises it adds to its
    traceback."""
    if isinstance(error, EcsError):
        error = type(error)(
            error.reason, for_operator=error.for_operator, retry_after=error.retry_after
        )
    if not call.taken.done():
        call.taken.set_exception(error)
