"""Consumers and tariffs, as workers take them over while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.tariff import Tariff
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.flows.camara.consumers import Consumers
from simgrant.flows.for_ever import Pace
from simgrant.ports.camara_consumers import Changed, ConsumerRow
from tests.unit.flows.published import store_at

BANK = Consumer(client_id="bank", name="Bank")
T = "default"


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[SqlStore]:
    async with store_at(template, tmp_path) as made:
        yield made


def consumers(rows: Any) -> Consumers:
    return Consumers(rows, (T, "other"), pace=Pace(every_s=0.001, away_s=0.001))


async def test_a_worker_sees_what_was_changed_since_it_looked(store: SqlStore) -> None:
    await store.consumers.put(T, BANK, seen=0)
    live = consumers(store.consumers)
    await live.load()
    assert live.of(T, "bank") == replace(BANK, revision=1)
    assert live.of("other", "bank") is live.of(T, "shop") is live.of("nobody", "bank") is None
    await store.consumers.put("other", BANK, seen=0)
    await store.consumers.put(T, replace(BANK, name="New"), seen=1)
    await live.look()
    assert live.of("other", "bank") is not None
    found = live.of(T, "bank")
    assert found is not None
    assert (found.name, found.revision) == ("New", 2)
    await store.consumers.put(T, replace(BANK, active=False), seen=2)
    await live.look()
    assert live.of(T, "bank") is None
    await store.consumers.remove("other", "bank", seen=1)
    await live.look()
    assert live.of("other", "bank") is None


async def test_the_version_of_a_tariff_is_that_of_the_moment(store: SqlStore) -> None:
    for begin in (200, 100):
        tariff = Tariff(name="gold", valid_from=begin, currency="EUR", share_ppm=begin)
        await store.consumers.put_tariff(T, tariff)
    live = consumers(store.consumers)
    await live.load()
    begins = []
    for at in (99, 100, 199, 200, 10**10):
        found = live.tariff(T, "gold", at=at)
        begins.append(found and found.valid_from)
    assert begins == [None, 100, 100, 200, 200]
    assert live.tariff(T, "silver", at=200) is live.tariff("other", "gold", at=200) is None


@dataclass
class Rows:
    """Rows that go away, or back."""

    number: int = 3
    away: bool = False
    readable: bool = True
    looks: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def looked(self) -> None:
        """Return once somebody has looked, and done with what he saw."""
        for _ in range(2):
            await self.looks.get()

    async def numbers(self) -> Mapping[str, int]:
        self.looks.put_nowait(None)
        if self.away:
            raise PeerUnavailable("store_away")
        return {T: self.number, "nobody": 9}

    async def changed(self, _tenant: str, after: int = 0) -> Changed:
        row = ConsumerRow("bank", 1, BANK if self.readable else None, not self.readable)
        return Changed(self.number, [row] if after < 3 <= self.number else [], [])


async def test_while_the_store_is_away_what_is_known_goes_on() -> None:
    rows = Rows()
    live = consumers(rows)
    await live.load()
    rows.away, rows.looks = True, asyncio.Queue()
    with capture_logs() as logs:
        run = asyncio.create_task(live.run())
        await rows.looked()
        assert live.of(T, "bank") == BANK
        rows.away, rows.number, rows.readable = False, 1, True
        await rows.looked()
        run.cancel()
    events = [each["event"] for each in logs]
    assert events[:3] == ["consumers_not_read", "consumers_went_back", "consumers_read_again"]
    assert live.of(T, "bank") is None


async def test_a_consumer_that_cannot_be_read_is_nobody() -> None:
    rows = Rows(readable=False)
    live = consumers(rows)
    with capture_logs() as logs:
        await live.load()
    assert live.of(T, "bank") is None
    assert [each["event"] for each in logs] == ["consumer_not_readable"]


async def test_nothing_starts_without_them() -> None:
    with pytest.raises(StartRefused):
        await consumers(Rows(away=True)).load()


async def test_a_fault_of_ours_does_not_end_it() -> None:
    rows = Rows()
    live = consumers(rows)
    await live.load()
    rows.looks, rows.number = asyncio.Queue(), "?"  # type: ignore[assignment]
    with capture_logs():
        run = asyncio.create_task(live.run())
        await rows.looked()
        await rows.looked()
        assert not run.done()
        run.cancel()
    assert live.of(T, "bank") == BANK
