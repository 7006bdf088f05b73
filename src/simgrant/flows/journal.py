"""The trail of every request, kept behind the answer: log line, metrics, stored record.

What became of notices is kept beside it, a line and a record each.

Counts and lines are at most a tenth of a second behind, records go to the store in
batches, at the latest a second after the answer. The queue is bounded; when the store
cannot take them, records are lost and counted, and phones are served all the same.
What must be exact is not kept here.
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

    _AT_ONCE = 64
    _LATEST_S = 0.1

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
        self._finished: list[tuple[Trail, float, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[RequestRecord] = deque()
        self._enough = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        """The batch that is on its way to the store."""

    def finish(self, trail: Trail, seconds: float) -> None:
        """Take one finished request. Never waits, never raises."""
        self._finished.append((trail, self._clock.now(), seconds))
        if len(self._finished) >= self._AT_ONCE:
            self.settle()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._LATEST_S, self.settle)

    def settle(self) -> None:
        """Count, log and queue what has finished.

        Many at a time, since one in between two requests finds nothing of its own in the
        processor's caches and takes twice as long.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        finished, self._finished = self._finished, []
        self._metrics.count((trail, seconds) for trail, _, seconds in finished)
        for trail, now, seconds in finished:
            body = push_trail(trail, now=now, seconds=seconds)
            self.keep(
                RequestRecord(
                    trail.tenant, trail.subscriber_ref, int(now * 1e6), trail.request_id, body
                )
            )

    def keep(self, record: RequestRecord) -> None:
        """Log a record and queue it to be written. Never waits, never raises."""
        self._write_line(record.body)
        if len(self._waiting) >= self._limits.queue:
            self._metrics.records_lost.inc()
            return
        self._waiting.append(record)
        if len(self._waiting) >= self._limits.batch:
            self._enough.set()

    async def run(self) -> None:
        """Write batches for ever: a full one at once, a smaller one when its time has come."""
        while True:
            try:
                async with asyncio.timeout(self._limits.interval_s):
                    await self._enough.wait()
            except TimeoutError:
                self.settle()
            # What comes meanwhile waits for its own batch: a commit costs more than a record.
            await self._write_batch()
            if len(self._waiting) < self._limits.batch:
                self._enough.clear()

    async def flush(self) -> None:
        """Write everything there is; what the store refuses is lost and counted."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        self.settle()
        while self._waiting:
            await self._write_batch()

    async def _write_batch(self) -> None:
        size = min(len(self._waiting), self._limits.batch)
        if not size:
            return
        batch = [self._waiting.popleft() for _ in range(size)]
        self._writing = asyncio.create_task(self._append(batch))
        # Who stops us stops the next batch, not this one.
        await asyncio.shield(self._writing)

    async def _append(self, batch: list[RequestRecord]) -> None:
        try:
            await self._store.append_records(batch)
        except EcsError:
            self._metrics.records_lost.inc(len(batch))
