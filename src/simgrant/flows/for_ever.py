"""What a worker does beside answering, again and again: look, act upon what waits, take over.

Neither a store that is away nor a fault of ours ends it. Workers do not come all at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, TypeVar

import structlog

from simgrant.errors import EcsError
from simgrant.nouns import named_noun
from simgrant.telemetry.log import say_fault

T = TypeVar("T")


@named_noun
class Pace:
    """How often the store, or somebody else, is looked at."""

    every_s: float = 0.3
    away_s: float = 2.0
    """While it is away."""


async def keep_looking(
    look: Callable[[], Awaitable[object]],
    pace: Pace,
    *,
    failed: str,
    again: str,
    tenant: str = "",
    at_once: bool = False,
) -> None:
    """Look for ever; ``look`` raises EcsError where the store, or who else is asked, is away.

    ``failed`` is the event that is logged once, then, and ``again`` the one once it is back; both
    with the tenant, where it is one's. ``at_once``: the first look is not waited for.
    """
    log = structlog.get_logger()
    if tenant:
        log = log.bind(tenant=tenant)
    pause, is_away = 0.0 if at_once else pace.every_s, False
    while True:
        await asyncio.sleep(_about(pause))
        pause = pace.every_s
        try:
            await look()
        except EcsError as error:
            if not is_away:
                log.warning(failed, reason=error.reason, detail=error.for_operator)
            is_away, pause = True, pace.away_s
        except Exception as error:
            # What is known goes on.
            say_fault(error)
            pause = pace.away_s
        else:
            if is_away:
                log.info(again)
            is_away = False


class KeepsActing:
    """Acts upon what waits: at once when it is woken, else every ``poll_s`` seconds."""

    def __init__(self, act: Callable[[], Awaitable[bool]], *, poll_s: float, failed: str) -> None:
        """``act`` does some of it, and says whether there may be more; EcsError = not now.

        ``failed`` is the event that is logged then.
        """
        self._act = act
        self._poll_s = poll_s
        self._failed = failed
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something."""
        self._news.set()

    async def run(self) -> None:
        """Act for ever; what is cut off in between is done by whoever comes next."""
        while True:
            self._news.clear()
            try:
                while await self._act():
                    pass
            except EcsError as error:
                structlog.get_logger().warning(self._failed, reason=error.reason)
            except Exception as error:
                # The rows are there, and are tried again.
                say_fault(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_about(self._poll_s)):
                    await self._news.wait()


class KeepsTaking(Generic[T]):
    """Takes over what is to be done, and sets each of it going beside the rest."""

    def __init__(
        self, take: Callable[[], Awaitable[bool]], *, poll_s: float, last_s: float
    ) -> None:
        """``take`` takes some over and lets it `go`, and says whether there was any.

        ``last_s`` are the seconds that are left for it at the end.
        """
        self._take = take
        self._poll_s = poll_s
        self._last_s = last_s
        self.under_way: set[asyncio.Task[T]] = set()

    def go(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        """Set something going."""
        task = asyncio.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    async def run(self) -> None:
        """Take over for ever; at the end, finish what is under way."""
        try:
            while True:
                if not await self._take():
                    await asyncio.sleep(_about(self._poll_s))
        finally:
            if self.under_way:
                await asyncio.wait(self.under_way, timeout=self._last_s)
            for task in self.under_way:
                task.cancel()


def _about(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
