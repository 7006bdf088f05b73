"""The trail of every request, kept behind the answer: log line, metrics, stored record.

Records go to the store in batches, at the latest a second after the answer. The
queue is bounded; when the store cannot take them, records are lost and counted,
and phones are served all the same. What must be exact is not kept here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from simgrant.domain.trail import Trail
from simgrant.errors import EcsError
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.store import RequestRecord, Store
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.record import push_trail


@noun
class Limits:
    """How much may wait, and for how long."""

    queue: int
    batch: int
    interval_s: float


class Journal:
    """Takes finished trails; ``run`` writes them until it is cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        metrics: Metrics,
        write_line: Callable[[bytes], None],
        limits: Limits,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._write_line = write_line
        self._limits = limits
        self._waiting: deque[RequestRecord] = deque()
        self._enough = asyncio.Event()

    def finish(self, trail: Trail, seconds: float) -> None:
        """Count, log and queue one finished request. Never waits, never raises."""
        now = self._clock.now()
        body = push_trail(trail, now=now, seconds=seconds)
        self._metrics.count(trail, seconds)
        self._write_line(body)
        if len(self._waiting) >= self._limits.queue:
            self._metrics.records_lost.inc()
            return
        self._waiting.append(
            RequestRecord(
                trail.tenant, trail.subscriber_ref, int(now * 1e6), trail.request_id, body
            )
        )
        if len(self._waiting) == self._limits.batch:
            self._enough.set()

    async def run(self) -> None:
        """Write batches for ever: a full one at once, a smaller one when its time has come."""
        while True:
            try:
                async with asyncio.timeout(self._limits.interval_s):
                    await self._enough.wait()
            except TimeoutError:
                pass
            # What comes meanwhile waits for its own batch: a commit costs more than a record.
            await self._write_batch()
            if len(self._waiting) < self._limits.batch:
                self._enough.clear()

    async def flush(self) -> None:
        """Write everything that waits now; what the store refuses is lost and counted."""
        while self._waiting:
            await self._write_batch()

    async def _write_batch(self) -> None:
        size = min(len(self._waiting), self._limits.batch)
        batch = [self._waiting.popleft() for _ in range(size)]
        try:
            await self._store.append_records(batch)
        except EcsError:
            self._metrics.records_lost.inc(len(batch))
