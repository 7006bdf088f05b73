"""Reading the records of all subscriptions at once: all of them, about in order, once each."""

from __future__ import annotations

from itertools import pairwise

import pytest

from simgrant.adapters.store.sql import records as sql_records
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.ports.store import RequestRecord

T = "default"


def record(number: int, tenant: str = T, *, step_us: int = 1_000) -> RequestRecord:
    body = b'{"number":%d}' % number
    return RequestRecord(tenant, f"ref{number % 97}", number * step_us, f"{number:016x}", body)


async def read(store: SqlStore, since_us: int = 0, limit: int = 10**6) -> list[RequestRecord]:
    batches = [each async for each in store.recorded(T, since_us=since_us, limit=limit)]
    assert all(batches)
    return [each for batch in batches for each in batch]


async def test_of_nothing_there_is_nothing_to_read(store: SqlStore) -> None:
    assert await read(store) == []


async def test_everything_is_read_once_and_of_this_tenant(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_records, "_PAGE", 20)
    for start in range(0, 3000, 300):
        await store.append_records([record(number) for number in range(start, start + 300)])
    await store.append_records([record(number, "other") for number in range(50)])
    found = await read(store)
    assert sorted(found, key=lambda each: each.at_us) == [record(number) for number in range(3000)]


async def test_the_newest_come_first_but_for_a_turn(store: SqlStore) -> None:
    await store.append_records([record(number) for number in range(2400)])
    for limit in (0, 1, 5, 100, 2399, 10_000):
        found = await read(store, limit=limit)
        assert len(found) == min(limit, 2400)
        # Sixteen shards are read in turn, and hashes are not quite even.
        assert all(each.at_us >= (2400 - 2.5 * limit - 700) * 1000 for each in found)


async def test_none_is_older_than_asked_for(store: SqlStore) -> None:
    await store.append_records([record(number) for number in range(700)])
    found = await read(store, since_us=500_000)
    assert sorted(each.at_us for each in found) == [number * 1000 for number in range(500, 700)]
    assert await read(store, since_us=10**9) == []


async def test_records_of_one_moment_are_all_read(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_records, "_PAGE", 3)
    await store.append_records([record(number, step_us=0) for number in range(400)])
    found = await read(store)
    assert len(found) == len(set(found)) == 400


async def test_what_is_written_meanwhile_disturbs_nothing(store: SqlStore) -> None:
    await store.append_records([record(number) for number in range(4000)])
    found: list[RequestRecord] = []
    async for batch in store.recorded(T, since_us=0, limit=10**6):
        found += batch
        newer = 10_000 + len(found)
        await store.append_records([record(newer)])
    kept = [each for each in found if each.at_us < 10_000_000]
    assert len(kept) == len(set(kept)) == 4000
    assert all(one != other for one, other in pairwise(found))
