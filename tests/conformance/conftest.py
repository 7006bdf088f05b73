"""The stores that the suite runs on: each adapter, as it is and made difficult."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import apsw
import asyncpg
import msgspec
import pytest

from simgrant.adapters.store import migrate
from simgrant.adapters.store.postgres import PostgresConfig
from simgrant.adapters.store.postgres import open_store as open_postgres
from simgrant.adapters.store.schema import postgres_metadata
from simgrant.adapters.store.sql.batches import records_path
from simgrant.adapters.store.sql.statements import TABLES
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig
from simgrant.adapters.store.sqlite import open_store as open_sqlite
from tests.databases import make_database
from tests.servers.postgres import Postgres


class Restless(asyncpg.Connection):
    """A connection to a server that gives up one transaction in five, as distributed ones do.

    What it gives up has had no effect, like theirs. Nobody is refused more than
    four times in a row, so that a patient client always gets there.
    """

    chance = random.Random(43)
    refused: ClassVar[WeakKeyDictionary[asyncio.Task[Any], int]] = WeakKeyDictionary()
    total = 0

    async def fetch(self, *args: Any, **options: Any) -> Any:
        self._refuse()
        answer = await super().fetch(*args, **options)
        if not self.is_in_transaction():
            self._done()
        return answer

    async def executemany(self, *args: Any, **options: Any) -> Any:
        self._refuse()
        return await super().executemany(*args, **options)

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        if query == "COMMIT;":
            try:
                self._refuse()
            except asyncpg.SerializationError:
                await super().execute("ROLLBACK;")
                raise
            self._done()
        return await super().execute(query, *args, **options)

    def _refuse(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refused.get(task, 0) < 4 and self.chance.random() < 0.2:
            self.refused[task] = self.refused.get(task, 0) + 1
            type(self).total += 1
            raise asyncpg.SerializationError("restart transaction: read within uncertainty")

    def _done(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.refused.pop(task, None)


@dataclass(frozen=True)
class Place:
    """Where the rows of one test are, and how to open a store there."""

    url: str
    open: Callable[[], Awaitable[SqlStore]]
    rows: Callable[[str], Awaitable[list[tuple[Any, ...]]]]
    """Run a SELECT behind the store's back; of SQLite's files, on the main one."""
    records: Callable[[], Awaitable[list[tuple[Any, ...]]]]
    """Return every record as (tenant, reference, time, id, body), behind the store's back."""


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: migrating takes longer than most tests."""
    return make_database(tmp_path_factory.mktemp("store") / "template.sqlite3")


@pytest.fixture(scope="session")
def postgres_migrated(postgres: Postgres) -> str:
    """The URL of a migrated PostgreSQL database that tests empty before they use it."""
    url = postgres.create_database()
    migrate.upgrade(url)
    return url


def sqlite_place(path: Path, **options: Any) -> Place:
    async def rows(sql: str) -> list[tuple[Any, ...]]:
        with closing(apsw.Connection(str(path))) as db:
            return db.execute(sql).fetchall()

    async def records() -> list[tuple[Any, ...]]:
        return [row for batch in sqlite_batches(path) for row in batch]

    def opened() -> Awaitable[SqlStore]:
        return open_sqlite(SqliteConfig(path, **options))

    return Place(f"sqlite:///{path}", opened, rows, records)


def sqlite_batches(path: Path) -> list[list[tuple[Any, ...]]]:
    """Return the batches of records beside a main file, in the order they were begun."""
    with closing(apsw.Connection(str(records_path(path)))) as db:
        found = db.execute("SELECT rows FROM batch ORDER BY number")
        return [[tuple(row) for row in msgspec.msgpack.decode(blob)] for (blob,) in found]


def statements_of(connection: apsw.Connection) -> list[str]:
    """Return the list that the statements of a connection are put into from now on."""
    run: list[str] = []

    def trace(_: apsw.Cursor, text: str, __: object) -> bool:
        run.append(text)
        return True

    connection.exec_trace = trace
    return run


@asynccontextmanager
async def postgres_place(
    url: str, connection_class: Any = asyncpg.Connection
) -> AsyncIterator[Place]:
    async def rows(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await behind.fetch(sql)]

    async def records() -> list[tuple[Any, ...]]:
        return await rows("SELECT tenant, subscriber_ref, at_us, request_id, body FROM record")

    def opened() -> Awaitable[SqlStore]:
        return open_postgres(config, connection_class=connection_class)

    config = PostgresConfig(url, pool_min=1, pool_max=8)
    behind = await asyncpg.connect(url)
    try:
        # Of tables with a few rows, TRUNCATE takes ten times as long.
        tables = (*TABLES, *postgres_metadata.tables)
        await behind.execute(";".join(f"DELETE FROM {table}" for table in tables))  # noqa: S608
        yield Place(url, opened, rows, records)
    finally:
        await behind.close()


@pytest.fixture
def sqlite_path(sqlite_template: Path, tmp_path: Path) -> Path:
    """A migrated SQLite file of this test's own."""
    return Path(shutil.copy(sqlite_template, tmp_path / "store.sqlite3"))


@pytest.fixture(params=["sqlite", "sqlite-thread", "postgres", "postgres-restless"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """An empty, migrated database for each adapter in turn."""
    if request.param.startswith("sqlite"):
        path = request.getfixturevalue("sqlite_path")
        yield sqlite_place(path, reads="thread" if request.param == "sqlite-thread" else "loop")
        return
    url = request.getfixturevalue("postgres_migrated")
    connection = Restless if "restless" in request.param else asyncpg.Connection
    async with postgres_place(url, connection) as place:
        yield place


@pytest.fixture
async def store(place: Place) -> AsyncIterator[SqlStore]:
    """An open store with nothing in it."""
    store = await place.open()
    yield store
    await store.close()
