"""Statements that change several rows of one table: whoever else holds some is not waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import BigInteger, LargeBinary, SmallInteger, Table

from simgrant.adapters.store.schema import metadata, postgres_metadata
from simgrant.adapters.store.sql import (
    camara_events,
    camara_tokens,
    camara_usage,
    deeds,
    life_statements,
    statements,
    switching,
)
from simgrant.adapters.store.sql.statements import numbered

SHARD, NOW, AGAIN, MOST, KIND = 3, 50, 90, 9, "boost"
TENANT = "unheld"

STATEMENTS: dict[str, tuple[str, tuple[object, ...]]] = {
    "notices": (statements.NOTICES_CLAIMED, (SHARD, NOW, AGAIN, MOST)),
    "orders": (statements.ORDERS_CLAIMED, (SHARD, NOW, AGAIN, MOST)),
    "switches": (switching.SWITCHES_CLAIMED, (SHARD, NOW, AGAIN, KIND, MOST)),
    "notifications": (camara_events.NOTIFICATIONS_CLAIMED, (SHARD, NOW, AGAIN, 7, MOST)),
    "timers": (life_statements.TIMERS_FIRED, (SHARD, NOW, MOST, "switch")),
    "seen": (life_statements.SEEN_PURGED, (SHARD, NOW, MOST)),
    "aside": (life_statements.ASIDE_PURGED, (SHARD, NOW, MOST)),
    "sessions": (statements.SESSIONS_PURGED, (SHARD, NOW, MOST)),
    "records": (statements.RECORDS_PURGED, (SHARD, NOW, MOST)),
    "visits": (statements.VISITS_PURGED, (SHARD, NOW, MOST)),
    "uses": (statements.USES_PURGED, (SHARD, NOW, MOST)),
    "answers": (deeds.ANSWERS_PURGED, (SHARD, NOW, MOST)),
    "usage": (camara_usage.USAGE_PURGED, (SHARD, NOW, NOW, MOST)),
    "assertions": (camara_tokens.ASSERTIONS_PURGED, (SHARD, NOW, MOST)),
    "requests": (camara_tokens.REQUESTS_PURGED, (SHARD, NOW, MOST)),
    "questions": (camara_tokens.QUESTIONS_PURGED, (SHARD, NOW, MOST)),
    "unanswered": (camara_tokens.QUESTIONS_OVER, (SHARD, 0, NOW, MOST)),
    "revoked": (camara_tokens.REVOKED_PURGED, (SHARD, NOW, MOST)),
}


def table_of(text: str) -> Table:
    found = re.search(r"FROM (\w+) WHERE", text)
    assert found is not None
    return (metadata.tables | postgres_metadata.tables)[found[1]]


def a_row(table: Table, name: str) -> list[object]:
    """Return a row that is due, told from others by the last column of its key."""
    *_, last = table.primary_key
    row: list[object] = []
    for column in table.columns:
        if column.name == "tenant":
            row.append(TENANT)
        elif column.name == "kind":
            row.append(KIND)
        elif isinstance(column.type, (BigInteger, SmallInteger)):
            row.append(SHARD if column.name == "shard" else 1)
        elif isinstance(column.type, LargeBinary):
            row.append(name.encode() if column is last else b"")
        else:
            row.append(name if column is last else "")
    return row


@pytest.fixture
async def two(postgres_migrated: str) -> AsyncIterator[list[asyncpg.Connection[asyncpg.Record]]]:
    connections = [await asyncpg.connect(postgres_migrated) for _ in range(2)]
    for each in connections:
        await each.execute("SET deadlock_timeout = '5ms'")
    yield connections
    for each in connections:
        each.terminate()


@pytest.mark.parametrize("queue", STATEMENTS)
async def test_rows_that_somebody_holds_are_left_to_him(
    two: list[asyncpg.Connection[asyncpg.Record]], queue: str
) -> None:
    """He may want those that were taken meanwhile: of two who waited, one would have to give up."""
    text, params = STATEMENTS[queue]
    holder, taker = two
    table = table_of(text)
    *_, last = table.primary_key
    hold = f"SELECT 1 FROM {table.name} WHERE tenant = $1 AND {last.name} = $2 FOR UPDATE"  # noqa: S608
    values = ", ".join(f"${number}" for number in range(1, len(table.columns) + 1))
    names = ("a", "b")
    for held, other in (names, names[::-1]):
        await holder.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own words
        rows = [a_row(table, name) for name in names]
        await holder.executemany(f"INSERT INTO {table.name} VALUES ({values})", rows)  # noqa: S608
        key = {
            name: row[list(table.columns).index(last)]
            for name, row in zip(names, rows, strict=True)
        }
        taken = taker.transaction()
        await taken.start()
        async with holder.transaction():
            assert await holder.fetch(hold, TENANT, key[held])
            taking = asyncio.create_task(taker.fetch(numbered(text), *params))
            while not taking.done() and not await holder.fetchval(
                "SELECT cardinality(pg_blocking_pids($1)) > 0", taker.get_server_pid()
            ):
                pass
            wanting = asyncio.create_task(holder.fetch(hold, TENANT, key[other]))
            done, _ = await asyncio.wait({taking, wanting}, return_when=asyncio.FIRST_COMPLETED)
            assert not [task.exception() for task in done if task.exception()]
            assert taking.done()
            assert len(await taking) == 1
            await taken.rollback()
            assert len(await wanting) == 1
        assert len(await taker.fetch(numbered(text), *params)) == 2
    await holder.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own words
