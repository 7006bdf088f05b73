"""Records are written in batches: full ones at once, what is left when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from prometheus_client import CollectorRegistry

from simgrant.domain.trail import Trail
from simgrant.errors import PeerUnavailable
from simgrant.flows.journal import Journal, Limits
from simgrant.ports.store import RequestRecord, Store
from simgrant.telemetry.metrics import Metrics

DEADLINE = 5.0


class Slow:
    """A store whose appends wait until they are let through."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.gate = asyncio.Semaphore(0)
        self.down = False

    async def append_records(self, records: Sequence[RequestRecord]) -> None:
        self.begun.put_nowait(len(records))
        await self.gate.acquire()
        if self.down:
            raise PeerUnavailable("store_down")
        self.batches.append(len(records))


class Clock:
    def now(self) -> float:
        return 1_795_000_000.0

    def monotonic(self) -> float:
        return 0.0


@asynccontextmanager
async def running(store: Slow, *, interval_s: float = 3600) -> AsyncIterator[Journal]:
    journal = Journal(
        cast("Store", store),
        clock=Clock(),
        metrics=Metrics(CollectorRegistry()),
        write_line=lambda _: None,
        limits=Limits(queue=50, batch=10, interval_s=interval_s),
    )
    task = asyncio.create_task(journal.run())
    try:
        async with asyncio.timeout(DEADLINE):
            yield journal
    finally:
        task.cancel()


def finish(journal: Journal, times: int) -> None:
    for number in range(times):
        journal.finish(Trail(str(number)), 0.001)
    journal.settle()


async def test_what_comes_during_a_write_waits_for_a_batch_of_its_own() -> None:
    store = Slow()
    async with running(store) as journal:
        finish(journal, 10)
        assert await store.begun.get() == 10
        finish(journal, 3)
        store.gate.release()
        await asyncio.sleep(0)
        finish(journal, 7)
        assert await store.begun.get() == 10, "not the three alone"
        finish(journal, 25)
        for _ in range(3):
            store.gate.release()
        assert [await store.begun.get() for _ in range(2)] == [10, 10]
        await asyncio.sleep(0)
        assert store.begun.empty(), "five are no batch"


async def test_a_small_batch_is_written_when_its_time_has_come() -> None:
    store = Slow()
    async with running(store, interval_s=0.01) as journal:
        finish(journal, 3)
        assert await store.begun.get() == 3


async def test_what_has_finished_is_counted_and_told_in_a_moment() -> None:
    told: asyncio.Queue[bytes] = asyncio.Queue()
    journal = Journal(
        cast("Store", Slow()),
        clock=Clock(),
        metrics=Metrics(CollectorRegistry()),
        write_line=told.put_nowait,
        limits=Limits(queue=50, batch=10, interval_s=3600),
    )
    journal.finish(Trail("one"), 0.001)
    assert told.empty()
    async with asyncio.timeout(DEADLINE):
        assert b'"request_id":"one"' in await told.get()
    for number in range(1000):
        journal.finish(Trail(str(number)), 0.001)
    assert told.qsize() > 900, "many do not wait for their time"


async def test_flush_writes_all_and_what_is_refused_is_counted() -> None:
    store = Slow()
    for _ in range(9):
        store.gate.release()
    async with running(store) as journal:
        finish(journal, 9)
        await journal.flush()
        assert store.batches == [9]
        store.down = True
        finish(journal, 60)
        await journal.flush()
        lost = journal._metrics.records_lost._value.get()
        assert lost == 60, "ten for which the queue had no room, and fifty that were refused"


async def test_a_batch_on_its_way_is_not_lost_when_the_writer_is_stopped() -> None:
    store = Slow()
    async with running(store) as journal:
        finish(journal, 12)
        assert await store.begun.get() == 10
    # It is stopped here, while the store has the batch.
    flushing = asyncio.create_task(journal.flush())
    for _ in range(2):
        store.gate.release()
    async with asyncio.timeout(DEADLINE):
        await flushing
    assert store.batches == [10, 2]
