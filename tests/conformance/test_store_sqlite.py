"""What only SQLite has: a file that may be damaged, one writer, and other processes beside us."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from simgrant.adapters.store import migrate
from simgrant.adapters.store.sql.engine import Body, Run
from simgrant.adapters.store.sql.statements import NEW_MSISDN, TABLES
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.errors import Conflict, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.ports.store import Outcome, RowConflict
from tests.conformance.conftest import statements_of
from tests.conformance.test_store import IMSI, OTHER, STARTED, T, accept, imsi_of, new, record

PAGE = 4096


@pytest.fixture
async def store(sqlite_path: Path) -> AsyncIterator[SqlStore]:
    store = await open_store(SqliteConfig(sqlite_path))
    yield store
    await store.close()


@pytest.fixture
def intruder(sqlite_path: Path) -> Iterator[apsw.Connection]:
    """Another process' connection, as far as SQLite can tell."""
    with closing(apsw.Connection(str(sqlite_path))) as connection:
        yield connection


# --- opening -----------------------------------------------------------------------------------


async def refused(path: Path) -> str:
    """Return the line with which a file is refused."""
    with pytest.raises(StartRefused) as caught:
        await open_store(SqliteConfig(path))
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


async def test_a_missing_file_is_not_made_but_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite3"
    assert "simgrant db upgrade" in await refused(path)
    assert not path.exists()


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "unable to open" in await refused(tmp_path)


async def test_an_empty_file_has_to_be_upgraded_first(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite3"
    path.touch()
    assert "revision none" in await refused(path)
    assert "simgrant db upgrade" in await refused(path)


async def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prose.sqlite3"
    path.write_text("Arma virumque cano, Troiae qui primus ab oris " * 100)
    assert "not a database" in await refused(path)
    with pytest.raises(StartRefused, match="not a database"):
        migrate.upgrade(f"sqlite:///{path}")


async def test_the_tables_of_another_release_are_refused(
    sqlite_path: Path, intruder: apsw.Connection
) -> None:
    intruder.execute("UPDATE schema_version SET version_num = '9999'")
    line = await refused(sqlite_path)
    assert "revision 9999" in line
    assert "simgrant db upgrade" in line
    with pytest.raises(StartRefused, match="9999"):
        migrate.upgrade(f"sqlite:///{sqlite_path}")


async def fill(path: Path, count: int) -> None:
    store = await open_store(SqliteConfig(path))
    await store.add_many(new(imsi_of(number), None) for number in range(count))
    await store.close()


def tear(path: Path, first: int, last: int, *, rubbish: bool = False) -> None:
    """Overwrite pages of the file, counted from 0."""
    torn = bytearray(path.read_bytes())
    size = PAGE * (last - first)
    torn[PAGE * first : PAGE * last] = os.urandom(size) if rubbish else bytes(size)
    path.write_bytes(torn)


def pages(path: Path) -> int:
    return path.stat().st_size // PAGE


@pytest.fixture(params=["checked whole", "looked into"])
async def filled(
    request: pytest.FixtureRequest, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A file with some thousand rows, small or taken for a big one."""
    await fill(sqlite_path, 3000)
    assert pages(sqlite_path) > 50
    if request.param == "looked into":
        monkeypatch.setattr("simgrant.adapters.store.sql.sqlite_files.CHECKED_BYTES", 0)
    return sqlite_path


async def test_a_sound_file_is_opened(filled: Path) -> None:
    await fill(filled, 0)


async def test_a_file_that_was_cut_off_is_refused(filled: Path) -> None:
    os.truncate(filled, pages(filled) // 2 * PAGE)
    assert "malformed" in await refused(filled)


async def test_a_file_of_rubbish_is_refused(filled: Path) -> None:
    # All but page 0, which tells where the tables are.
    tear(filled, 1, pages(filled), rubbish=True)
    assert "malformed" in await refused(filled)


async def test_a_page_lost_from_a_small_file_is_found(sqlite_path: Path) -> None:
    await fill(sqlite_path, 3000)
    middle = pages(sqlite_path) // 2
    tear(sqlite_path, middle, middle + 1)
    assert "damaged" in await refused(sqlite_path)


async def test_damage_that_shows_later_makes_the_store_unavailable(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(sqlite_path, 3000)
    monkeypatch.setattr("simgrant.adapters.store.sql.sqlite_files.CHECKED_BYTES", 0)
    with closing(apsw.Connection(str(sqlite_path))) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'subscription'").get
    store = await open_store(SqliteConfig(sqlite_path))
    tear(sqlite_path, root - 1, root)
    with pytest.raises(PeerUnavailable) as caught:
        await store.profile(T, IMSI, "", "")
    assert caught.value.reason == "store_damaged"
    await store.close()


async def test_nobody_else_may_read_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "fresh.sqlite3"
    migrate.upgrade(f"sqlite:///{path}")
    store = await open_store(SqliteConfig(path))
    await store.add(new())
    for file in os.scandir(tmp_path):
        assert file.stat().st_mode & 0o077 == 0
    await store.close()


async def test_every_table_keeps_its_rows_in_its_key(intruder: apsw.Connection) -> None:
    for table in TABLES:
        with pytest.raises(apsw.SQLError, match="no such column"):
            intruder.execute(f"SELECT rowid FROM {table}")  # noqa: S608


# --- one writer ----------------------------------------------------------------------------------


async def test_a_job_that_fails_takes_no_other_of_its_batch_with_it(
    store: SqlStore, intruder: apsw.Connection
) -> None:
    await store.add(new())
    engine = store._engine

    def half() -> Body[None]:
        yield Run(NEW_MSISDN, (T, "1", "half"))
        yield Run(NEW_MSISDN, (T, "1", "half"))

    def faulty() -> Body[None]:
        yield Run(NEW_MSISDN, (T, "2", "faulty"))
        raise LookupError("a fault of ours")

    # While another process writes, all of these come to wait for the same transaction.
    intruder.execute("BEGIN IMMEDIATE")
    good = [
        asyncio.create_task(store.add(new(imsi_of(100 + number), None))) for number in range(60)
    ]
    bad = [
        asyncio.create_task(store.add(new())),
        asyncio.create_task(engine.transact(half)),
        asyncio.create_task(engine.transact(faulty)),
        asyncio.create_task(engine.write(NEW_MSISDN, (T, None, "x"))),
        asyncio.create_task(engine.write("SELECT nothing FROM nowhere", ())),
    ]
    later = asyncio.create_task(store.add(new(OTHER, None)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    intruder.execute("COMMIT")
    results = await asyncio.gather(*good, *bad, later, return_exceptions=True)
    assert results[:60] == [None] * 60
    kinds = [type(result) for result in results[60:]]
    assert kinds == [RowConflict, Conflict, LookupError, Conflict, PeerUnavailable, type(None)]
    assert await store.count(T) == 62
    assert intruder.execute("SELECT imsi FROM msisdn").fetchall() == [(IMSI.digits,)]


async def test_jobs_that_wait_share_a_transaction(
    store: SqlStore, intruder: apsw.Connection
) -> None:
    run = statements_of(store._engine._writer)  # type: ignore[attr-defined]
    intruder.execute("BEGIN IMMEDIATE")
    tasks = [
        asyncio.create_task(accept(store, session=number.to_bytes(16, "big")))
        for number in range(300)
    ]
    await asyncio.sleep(0)
    intruder.execute("COMMIT")
    assert await asyncio.gather(*tasks) == [True] * 300
    # One for the first (or whoever came before it slept), the rest at most 256 at a time.
    assert sum(text.startswith("BEGIN") for text in run) <= 4


async def test_a_full_queue_refuses_at_once(
    sqlite_path: Path, intruder: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simgrant.adapters.store.sqlite._QUEUE", 10)
    store = await open_store(SqliteConfig(sqlite_path))
    intruder.execute("BEGIN IMMEDIATE")
    tasks = [
        asyncio.create_task(
            store.decide_session(T, imsi_of(number), b"s" * 16, STARTED, expected=None)
        )
        for number in range(11)
    ]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert [task.exception() is not None for task in done] == [True]
    with pytest.raises(PeerUnavailable) as caught:
        await done.pop()
    assert caught.value.reason == "store_overloaded"
    intruder.execute("COMMIT")
    assert await asyncio.gather(*waiting) == [True] * 10
    assert await store.decide_session(T, imsi_of(99), b"s" * 16, STARTED, expected=None)
    await store.close()


async def test_a_writer_who_never_ends_makes_writes_unavailable_but_not_reads(
    sqlite_path: Path, intruder: apsw.Connection
) -> None:
    store = await open_store(SqliteConfig(sqlite_path, timeout_s=0.2))
    await store.add(new())
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(PeerUnavailable):
        await accept(store)
    with pytest.raises((PeerTimeout, PeerUnavailable)):
        await store.remove(T, IMSI, now=1)
    assert await store.profile(T, IMSI, "", "") is not None
    intruder.execute("ROLLBACK")
    assert await accept(store, session=b"2" * 16)
    await store.close()


async def test_a_read_waits_for_a_lock_that_goes_away(
    store: SqlStore, sqlite_path: Path, intruder: apsw.Connection
) -> None:
    await store.add(new())
    for connection in (store._engine._slow_reader, store._engine._writer):  # type: ignore[attr-defined]
        connection.close()
    store._engine._reader.close()  # type: ignore[attr-defined]
    # Nobody reads: a lock on the whole file can be had, as at a last process' end.
    intruder.execute("PRAGMA locking_mode = EXCLUSIVE")
    intruder.execute("BEGIN EXCLUSIVE")
    store._engine._reader = apsw.Connection(str(sqlite_path))  # type: ignore[attr-defined]
    with pytest.raises(PeerUnavailable) as caught:
        await store.profile(T, IMSI, "", "")
    assert caught.value.reason == "store_busy"
    reading = asyncio.create_task(store.profile(T, IMSI, "", ""))
    await asyncio.sleep(0)
    assert not reading.done()
    intruder.close()
    assert await reading is not None


# --- reads of one turn of the loop ---------------------------------------------------------------


async def test_reads_of_one_turn_are_one_transaction(
    store: SqlStore, intruder: apsw.Connection
) -> None:
    await store.add(new())
    await asyncio.sleep(0)
    run = statements_of(store._engine._reader)  # type: ignore[attr-defined]
    assert await store.profile(T, IMSI, "", "") is not None
    intruder.execute("DELETE FROM subscription")
    # No turn has passed, since nothing was waited for.
    assert await store.profile(T, IMSI, "", "") is not None
    assert [text.strip()[:6] for text in run] == ["BEGIN", "SELECT", "SELECT"]
    await asyncio.sleep(0)
    assert run[3:] == ["COMMIT"]
    assert await store.profile(T, IMSI, "", "") is None


async def test_whoever_waited_for_a_write_reads_it(store: SqlStore) -> None:
    async def read_in_each_turn() -> None:
        while True:
            assert await store.profile(T, OTHER, "", "") is None
            await asyncio.sleep(0)

    reading = asyncio.create_task(read_in_each_turn())
    for number in range(100):
        await store.add(new(imsi_of(number), None))
        assert await store.profile(T, imsi_of(number), "", "") is not None
    reading.cancel()


async def test_an_error_ends_no_more_than_the_reads_of_its_turn(store: SqlStore) -> None:
    await store.add(new())
    engine = store._engine
    reader: apsw.Connection = engine._reader  # type: ignore[attr-defined]
    with pytest.raises(PeerUnavailable):
        await engine.read("SELECT nothing FROM nowhere", ())
    reader.execute("ROLLBACK")  # As SQLite does by itself when a file cannot be read.
    assert await store.profile(T, IMSI, "", "") is not None
    await asyncio.sleep(0)
    assert not reader.in_transaction
    assert await store.profile(T, IMSI, "", "") is not None


async def test_a_store_may_be_closed_while_somebody_reads(sqlite_path: Path) -> None:
    store = await open_store(SqliteConfig(sqlite_path))
    failed = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))

    async def read_on() -> None:
        while True:
            assert await store.profile(T, IMSI, "", "") is None
            await asyncio.sleep(0)

    ending = asyncio.create_task(store.close())
    with pytest.raises(PeerUnavailable):
        await read_on()
    await ending
    assert failed == []


# --- other processes -----------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from tests.conformance.conftest import statements_of
from tests.conformance.test_store import IMSI, STARTED, T

async def main(path, name):
    # How long one of four waits for the file is the machine's matter, not this test's.
    store = await open_store(SqliteConfig(Path(path), timeout_s=60))
    for number in range(100):
        for _ in range(3):
            assert await store.revoke_tokens(T, IMSI, None)
        session = f"{name}{number:015}".encode()
        assert await store.decide_session(T, IMSI, session, STARTED, expected=None)
        assert await store.session(T, IMSI, session) == STARTED
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_several_processes_write_one_file(store: SqlStore, sqlite_path: Path) -> None:
    await store.add(new())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, sqlite_path, name, env=environment
        )
        for name in "abc"
    ]
    codes = [asyncio.create_task(child.wait()) for child in children]
    own = 0
    while not all(code.done() for code in codes):
        await store.revoke_tokens(T, IMSI, None)
        own += 1
    assert await asyncio.gather(*codes) == [0, 0, 0]
    assert await store.revoke_tokens(T, IMSI, None) == own + 901
    for name in "abc":
        for number in range(100):
            session = f"{name}{number:015}".encode()
            assert await store.session(T, IMSI, session) == STARTED


def everything_in(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


async def test_what_is_erased_is_gone_from_the_file_too(store: SqlStore, sqlite_path: Path) -> None:
    secret = b"wrapped-secret-of-one-sim"
    sim = new().sim
    assert sim is not None
    await store.add(replace(new(), sim=replace(sim, wrapped_k=secret)))
    await store.decide_session(T, IMSI, b"s" * 16, STARTED, expected=None)
    await store.append_records([record(1), replace(record(2, ref="ref-2"), body=secret)])
    await store.append_records([replace(record(3, ref="ref-2"), body=b"another body" * 5000)])
    await store.erase(T, IMSI, ["ref-2"], now=90)
    await store.close()
    left = everything_in(sqlite_path.parent)
    assert record(1).body in left, "these are the right files"
    assert secret not in left
    assert b"another body" not in left
    assert IMSI.digits.encode() not in left
    assert Outcome.STARTED.value.encode() not in left
