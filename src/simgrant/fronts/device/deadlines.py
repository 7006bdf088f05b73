"""The last word on how long a request may take.

Every wait has a deadline of its own where it happens; this one bounds their sum.
A timer per request would cost as much as opening its token, so one look a
second goes over all that are being handled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Deadlines:
    """Cancels tasks that are past their time, to within a second."""

    _LOOK_S = 1.0

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._running: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._running)

    def enter(self, task: asyncio.Task[Any], started: float) -> float:
        """Watch a task from now on; return its deadline (monotonic seconds)."""
        deadline = self._running[task] = started + self._seconds
        if self._timer is None:
            self._timer = task.get_loop().call_later(self._LOOK_S, self._look)
        return deadline

    def leave(self, task: asyncio.Task[Any]) -> None:
        """Watch it no longer."""
        self._running.pop(task, None)

    def was_late(self, task: asyncio.Task[Any]) -> bool:
        """Say whether a cancellation was ours, and take it back if it was."""
        if task not in self._late:
            return False
        self._late.discard(task)
        task.uncancel()
        return True

    def _look(self) -> None:
        self._timer = None
        now = self._monotonic()
        for task, deadline in list(self._running.items()):
            if now >= deadline:
                self._late.add(task)
                self.leave(task)
                task.cancel()
        if self._running:
            loop = next(iter(self._running)).get_loop()
            self._timer = loop.call_later(self._LOOK_S, self._look)
