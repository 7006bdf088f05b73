"""The file of request records beside SQLite's main file: its batches, its damages, its writers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.adapters.store.sql import batches as subject
from simgrant.adapters.store.sql.batches import FileRecords, open_records, records_path
from simgrant.adapters.store.sql.sqlite_files import connect
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.errors import PeerTimeout, PeerUnavailable, StartRefused
from simgrant.ports.store import LAST_RECORD, RequestRecord
from tests.conformance.conftest import sqlite_batches, statements_of
from tests.conformance.test_store import IMSI, T, accept, new, record

MOST = 500
PAGE = 16_384
HOUR_US = 3_600_000_000


@pytest.fixture
async def store(sqlite_path: Path) -> AsyncIterator[SqlStore]:
    store = await open_store(SqliteConfig(sqlite_path))
    yield store
    await store.close()


@pytest.fixture
def intruder(sqlite_path: Path) -> Iterator[apsw.Connection]:
    """Another process' connection to the records of a store, as far as SQLite can tell."""
    with closing(connect(records_path(sqlite_path))) as connection:
        connection.set_busy_timeout(0)
        yield connection


def many(count: int, first: int = 0, ref: str = "ref-1") -> list[RequestRecord]:
    return [record(first + number, ref=ref) for number in range(count)]


def sizes(path: Path) -> list[int]:
    return [len(batch) for batch in sqlite_batches(path)]


async def times(store: SqlStore, *refs: str, limit: int = 10_000) -> list[int]:
    return [one.at_us for one in await store.records(T, refs, limit=limit)]


# --- opening -----------------------------------------------------------------------------------


async def refused(main: Path, about: Path | None = None) -> str:
    """Return the line with which the records are refused."""
    with pytest.raises(StartRefused) as caught:
        await open_store(SqliteConfig(main))
    line = str(caught.value)
    assert "\n" not in line
    assert str(about or records_path(main)) in line
    return line


def whose(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mode & 0o777, found.st_uid, found.st_gid


def beside(path: Path, pattern: str = "*") -> set[Path]:
    return set(path.parent.glob(pattern))


@pytest.mark.parametrize("mode", [0o600, 0o640])
async def test_a_missing_file_is_made_for_whom_the_main_file_is(
    sqlite_path: Path, mode: int
) -> None:
    os.chmod(sqlite_path, mode)
    if os.geteuid() == 0:
        os.chown(sqlite_path, 4321, 1234)
    store = await open_store(SqliteConfig(sqlite_path))
    await store.append_records(many(1))
    made = beside(sqlite_path, "store-records*")
    assert {path.name.removeprefix("store-records.sqlite3") for path in made} == {
        "",
        "-wal",
        "-shm",
    }
    assert {whose(path) for path in made} == {whose(sqlite_path)}
    await store.close()


async def test_of_many_who_make_the_file_all_write_to_one(sqlite_path: Path) -> None:
    opened = await asyncio.gather(
        *(asyncio.to_thread(open_records, sqlite_path, timeout_s=3) for _ in range(8))
    )
    for number, one in enumerate(opened):
        await one.append([record(number)])
    assert len(await opened[0].find(T, ["ref-1"], 100, LAST_RECORD)) == 8
    for one in opened:
        await one.close()


async def test_who_comes_second_leaves_the_file_that_was_made(
    store: SqlStore, sqlite_path: Path
) -> None:
    await store.append_records(many(1))
    path, before = records_path(sqlite_path), beside(sqlite_path)
    number = os.stat(path).st_ino
    subject._make(path, sqlite_path)
    assert beside(sqlite_path) == before
    assert os.stat(path).st_ino == number


async def test_what_is_written_is_overwritten_in_time_but_not_waited_for(store: SqlStore) -> None:
    writer = store._records._writer  # type: ignore[attr-defined]
    names = ("synchronous", "secure_delete", "journal_size_limit", "busy_timeout", "journal_mode")
    found = [writer.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert found == [1, 1, 64 << 20, 3000, "wal"]


async def test_no_records_are_made_beside_a_file_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefused):
        await open_store(SqliteConfig(tmp_path / "none.sqlite3"))
    assert beside(tmp_path / "none.sqlite3") == set()


@pytest.fixture(params=["checked whole", "looked into"])
async def filled(
    request: pytest.FixtureRequest, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A main file beside which there are some dozens of batches, taken for small or for big."""
    store = await open_store(SqliteConfig(sqlite_path))
    for number in range(60):
        await store.append_records(many(MOST, number * MOST))
    await store.close()
    if request.param == "looked into":
        monkeypatch.setattr("simgrant.adapters.store.sql.sqlite_files.CHECKED_BYTES", 0)
    return sqlite_path


async def test_sound_records_are_opened(filled: Path) -> None:
    store = await open_store(SqliteConfig(filled))
    assert len(await times(store, "ref-1", limit=100_000)) == 60 * MOST
    await store.close()


async def test_records_that_were_cut_off_are_refused(filled: Path) -> None:
    path = records_path(filled)
    os.truncate(path, path.stat().st_size // 3)
    assert "move it away" in await refused(filled)


async def test_records_of_rubbish_are_refused(filled: Path) -> None:
    path = records_path(filled)
    # All but the first page, which tells where the tables are.
    path.write_bytes(path.read_bytes()[:PAGE] + os.urandom(path.stat().st_size - PAGE))
    assert "move it away" in await refused(filled)


@pytest.mark.parametrize("name", ["batch", "batch_times"])
async def test_a_lost_root_is_found(filled: Path, name: str) -> None:
    path = records_path(filled)
    with closing(apsw.Connection(str(path))) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        root = db.execute(sql, (name,)).get
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(bytes(PAGE))
    assert "move it away" in await refused(filled)


@pytest.mark.parametrize("filled", ["checked whole"], indirect=True)
async def test_pages_lost_from_a_small_file_is_found(filled: Path) -> None:
    with records_path(filled).open("r+b") as file:
        file.seek(file.seek(0, os.SEEK_END) // PAGE // 2 * PAGE)
        file.write(bytes(8 * PAGE))  # what is the end of a batch only would not show
    assert "damaged" in await refused(filled)


@pytest.mark.parametrize("text", ["", "Arma virumque cano, Troiae qui primus ab oris " * 100])
async def test_what_is_no_database_is_refused(sqlite_path: Path, text: str) -> None:
    records_path(sqlite_path).write_text(text)
    assert "move it away" in await refused(sqlite_path)


@pytest.mark.parametrize(
    ("version", "said"), [(0, "version 0"), (1, "no such table"), (2, "version 2")]
)
async def test_anothers_database_is_refused(sqlite_path: Path, version: int, said: str) -> None:
    with closing(apsw.Connection(str(records_path(sqlite_path)))) as db:
        db.execute("CREATE TABLE something_else (n int)")
        db.execute(f"PRAGMA user_version = {version}")
    assert said in await refused(sqlite_path)


async def test_a_directory_is_refused(sqlite_path: Path) -> None:
    records_path(sqlite_path).mkdir()
    assert "unable to open" in await refused(sqlite_path)


async def test_the_log_of_lost_records_is_not_taken_for_the_new_ones(filled: Path) -> None:
    path = records_path(filled)
    log = path.with_name(f"{path.name}-wal")
    path.rename(log)
    line = await refused(filled, log)
    assert "move it away" in line
    assert not path.exists()


# --- batches -----------------------------------------------------------------------------------


async def test_small_appends_gather_in_one_batch(store: SqlStore, sqlite_path: Path) -> None:
    for number in range(7):
        await store.append_records(many(1, number))
    assert sizes(sqlite_path) == [7]
    assert await times(store, "ref-1") == [6, 5, 4, 3, 2, 1, 0]
    await store.append_records(many(MOST - 7, 10))
    assert sizes(sqlite_path) == [MOST]
    await store.append_records(many(1, 1000))
    assert sizes(sqlite_path) == [MOST, 1]
    await store.append_records(many(MOST, 2000))
    assert sizes(sqlite_path) == [MOST, 1, MOST]
    assert len(await times(store, "ref-1")) == 2 * MOST + 1


async def test_a_full_batch_is_one_statement_and_left_alone(
    store: SqlStore, sqlite_path: Path
) -> None:
    run = statements_of(store._records._writer)  # type: ignore[attr-defined]
    await store.append_records(many(MOST))
    assert len(run) == 1
    before = sqlite_batches(sqlite_path)
    await store.append_records(many(3, MOST))
    assert sqlite_batches(sqlite_path) == [*before, [tuple_of(one) for one in many(3, MOST)]]


def tuple_of(one: RequestRecord) -> tuple[str, str, int, str, bytes]:
    return one.tenant, one.subscriber_ref, one.at_us, one.request_id, one.body


async def test_an_append_longer_than_a_batch_is_several(store: SqlStore, sqlite_path: Path) -> None:
    await store.append_records(many(2 * MOST + 30)[::-1])
    assert sizes(sqlite_path) == [MOST, MOST, 30]
    assert await times(store, "ref-1") == list(range(2 * MOST + 29, -1, -1))


async def test_no_batch_spans_more_than_an_hour(store: SqlStore, sqlite_path: Path) -> None:
    for at in (0, HOUR_US, HOUR_US + 1):
        await store.append_records(many(1, at))
    assert sizes(sqlite_path) == [2, 1]
    await store.append_records([record(at * HOUR_US) for at in (12, 10, 10, 11, 14)])
    assert sizes(sqlite_path) == [2, 1, 2, 1, 1]
    # A clock that was set back.
    await store.append_records(many(1, 5))
    assert sizes(sqlite_path) == [2, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("count", [3, MOST, MOST + 7])
async def test_what_is_repeated_is_kept_once(
    store: SqlStore, sqlite_path: Path, count: int
) -> None:
    await store.append_records(many(count))
    await store.append_records([replace(one, body=b"other") for one in many(count)])
    assert sum(sizes(sqlite_path)) == count
    # Some of it, with others that are new, and one of them twice.
    later = many(count, count // 2)
    await store.append_records([*later, replace(later[-1], body=b"other")])
    assert await times(store, "ref-1") == list(range(count // 2 + count - 1, -1, -1))
    assert {one.body for one in await store.records(T, ["ref-1"])} == {record(1).body}


async def test_batches_that_overlap_come_in_order(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "MOST", 2)
    for pair in ((10, 100), (50, 60), (20, 90)):
        await store.append_records([record(at) for at in pair])
    for limit in range(8):
        assert await times(store, "ref-1", limit=limit) == [100, 90, 60, 50, 20, 10][:limit]


async def test_a_search_neither_sorts_nor_unpacks_what_it_need_not(
    store: SqlStore, intruder: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await store.append_records(many(MOST, number * MOST, ref=f"ref-{number % 2}"))
    plan = intruder.execute(
        f"EXPLAIN QUERY PLAN {subject._holding('newest_us, rows', 2)}", (b"abcd", b"efgh")
    )
    assert [row[-1] for row in plan] == ["SCAN batch USING INDEX batch_times"]
    plan = intruder.execute(f"EXPLAIN QUERY PLAN {subject._holding('number', 1)}", (b"abcd",))
    assert [row[-1] for row in plan] == ["SCAN batch USING COVERING INDEX batch_times"]
    unpacked: list[bytes] = []
    real = subject._unpacked

    def spy(blob: bytes) -> list[subject.Row]:
        unpacked.append(blob)
        return real(blob)

    monkeypatch.setattr(subject, "_unpacked", spy)
    assert await times(store, "ref-1") == [*range(1999, 1499, -1), *range(999, 499, -1)]
    assert len(unpacked) == 2
    assert await times(store, "ref-0", limit=2) == [2499, 2498]
    assert len(unpacked) <= 4


async def test_records_are_sought_in_a_thread(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    real = subject._unpacked

    def spy(blob: bytes) -> list[subject.Row]:
        threads.append(threading.current_thread())
        return real(blob)

    await store.append_records(many(1))
    monkeypatch.setattr(subject, "_unpacked", spy)
    await store.records(T, ["ref-1"])
    await store.erase(T, IMSI, ["ref-1"], now=90)
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_equal_hashes_make_nobody_anothers(
    store: SqlStore, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bytes that stand at every place of every batch, across the borders of hashes too.
    monkeypatch.setattr(subject, "_hash", lambda *_: b"\x07\x07\x07\x07")
    await store.append_records([record(1), record(2, ref="ref-2"), record(3, tenant="blue")])
    await store.append_records(many(MOST, 10, ref="ref-2"))
    assert await times(store, "ref-1") == [1]
    assert await times(store, "ref-3") == []
    before = sqlite_batches(sqlite_path)
    assert (await store.erase(T, IMSI, ["ref-3"], now=90)).records == 0
    assert sqlite_batches(sqlite_path) == before
    assert (await store.erase(T, IMSI, ["ref-1"], now=90)).records == 1
    assert sizes(sqlite_path) == [2, MOST]
    assert await times(store, "ref-2") == [*range(MOST + 9, 9, -1), 2]


async def test_erasing_rewrites_batches_and_deletes_empty_ones(
    store: SqlStore, sqlite_path: Path
) -> None:
    for number in range(20):
        mine = many(MOST - 1, number * MOST, ref="ref-1" if number == 5 else "ref-2")
        await store.append_records([*mine, record(number * MOST + MOST - 1)])
    assert (await store.erase(T, IMSI, ["ref-1", "ref-3"], now=90)).records == 19 + MOST
    assert sizes(sqlite_path) == [MOST - 1] * 19
    assert await times(store, "ref-1") == []
    assert len(await times(store, "ref-2")) == 19 * (MOST - 1)
    assert (await store.erase(T, IMSI, ["ref-1", "ref-3"], now=90)).records == 0


async def test_an_erasure_that_was_cut_short_is_simply_repeated(
    store: SqlStore, sqlite_path: Path
) -> None:
    await store.add(new())
    await store.append_records(many(2))
    await store._records.close()
    with pytest.raises(PeerUnavailable):
        await store.erase(T, IMSI, ["ref-1"], now=90)
    assert await store.find(T, imsi=IMSI) is not None

    other = await open_store(SqliteConfig(sqlite_path))
    await other._engine.close()
    with pytest.raises(PeerUnavailable):
        await other.erase(T, IMSI, ["ref-1"], now=90)
    assert await times(other, "ref-1") == []
    assert await store.find(T, imsi=IMSI) is not None
    await other.close()

    again = await open_store(SqliteConfig(sqlite_path))
    erased = await again.erase(T, IMSI, ["ref-1"], now=90)
    assert (erased.subscriptions, erased.records) == (1, 0)
    await again.close()


async def test_what_is_too_old_is_purged_to_the_microsecond(
    store: SqlStore, sqlite_path: Path
) -> None:
    seconds = [record(second * 1_000_000) for second in range(2 * MOST)]
    await store.append_records(seconds)
    assert sizes(sqlite_path) == [MOST, MOST]
    counts = []
    while done := await store.purge(sessions_before=0, records_before=MOST + 100, limit=450):
        counts.append(done)
    assert counts == [450, 150]
    assert sizes(sqlite_path) == [MOST - 100]
    assert min(await times(store, "ref-1")) == (MOST + 100) * 1_000_000
    assert await store.purge(sessions_before=0, records_before=3 * MOST) == MOST - 100
    assert sizes(sqlite_path) == []


# --- several writers, and none that answers ------------------------------------------------------


async def test_two_stores_on_one_file_write_and_find(store: SqlStore, sqlite_path: Path) -> None:
    other = await open_store(SqliteConfig(sqlite_path))
    await asyncio.gather(
        *((store, other)[number % 2].append_records(many(40, number * 40)) for number in range(24))
    )
    for one in (store, other):
        assert await times(one, "ref-1") == list(range(959, -1, -1))
    assert (await other.erase(T, IMSI, ["ref-1"], now=90)).records == 960
    assert await times(store, "ref-1") == []
    await other.close()


async def test_nothing_is_seen_of_a_batch_before_it_is_whole(
    store: SqlStore, intruder: apsw.Connection
) -> None:
    await store.append_records(many(2))
    intruder.execute("BEGIN IMMEDIATE")
    intruder.execute("UPDATE batch SET rows = x'', refs = x''")
    assert await times(store, "ref-1") == [1, 0]
    intruder.execute("ROLLBACK")
    assert await times(store, "ref-1") == [1, 0]


WRITER = """
import asyncio, sys
from pathlib import Path
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from tests.conformance.test_store_sqlite_records import many

async def main(path):
    store = await open_store(SqliteConfig(Path(path)))
    number = 0
    while True:
        await store.append_records(many(500, number))
        await store.append_records(many(20, number + 500, ref="small"))
        number += 520
        print(number, flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_kill_leaves_whole_batches(sqlite_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        sqlite_path,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    answered = 0
    while answered < 30 * 520:
        answered = int(await child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest, _ = await child.communicate()
    answered = max(answered, *map(int, rest.split()[-1:]), 0)
    store = await open_store(SqliteConfig(sqlite_path))
    found = await times(store, "ref-1", "small", limit=10**6)
    assert found == list(range(len(found) - 1, -1, -1))
    assert answered <= len(found) <= answered + 520
    assert len(found) % 520 in (0, 500)
    await store.close()


async def test_who_locks_the_records_holds_up_no_authentication(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "QUEUE", 3)
    store = await open_store(SqliteConfig(sqlite_path, timeout_s=0.3))
    await store.append_records(many(1))
    with closing(apsw.Connection(str(records_path(sqlite_path)))) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.create_task(store.append_records(many(1, n + 1))) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(PeerUnavailable) as caught:
            await store.append_records(many(1, 9))
        assert caught.value.reason == "store_overloaded"
        await store.add(new())
        assert await accept(store)
        assert await times(store, "ref-1") == [0]
        assert not any(task.done() for task in waiting)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} <= {PeerTimeout, PeerUnavailable}
        assert PeerTimeout in map(type, results)
        other.execute("ROLLBACK")
    await store.append_records(many(1, 20))
    assert (await times(store, "ref-1"))[0] == 20
    await store.close()


async def test_closed_records_are_unavailable(store: SqlStore) -> None:
    writing = [asyncio.create_task(store.append_records(many(1, n))) for n in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writing) == [None] * 5  # what was queued is finished
    for call in (store.append_records(many(1)), store.records(T, ["ref-1"])):
        with pytest.raises(PeerUnavailable) as caught:
            await call
        assert caught.value.reason == "store_closed"


async def test_a_torn_batch_makes_its_records_unavailable(
    store: SqlStore, intruder: apsw.Connection
) -> None:
    await store.append_records(many(2))
    await store.append_records(many(1, 2 * HOUR_US, ref="ref-2"))
    intruder.execute("UPDATE batch SET rows = x'93' WHERE number = 1")
    with pytest.raises(PeerUnavailable) as caught:
        await store.records(T, ["ref-1"])
    assert caught.value.reason == "store_damaged"
    assert await times(store, "ref-2") == [2 * HOUR_US]


# --- against a plain list ------------------------------------------------------------------------

REFS = ("", "a", "b")
Step: TypeAlias = tuple[str, object]

a_record = st.builds(
    lambda tenant, ref, at, name: RequestRecord(tenant, ref, at, name, f"{ref}{at}".encode()),
    st.sampled_from(["red", "blue"]),
    st.sampled_from(REFS),
    st.one_of(st.integers(0, 5), st.integers(0, 8).map(lambda n: n * HOUR_US // 2)),
    st.sampled_from("xyz"),
)
owners = st.tuples(st.sampled_from(["red", "blue"]), st.lists(st.sampled_from(REFS), max_size=3))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(a_record, min_size=1, max_size=10)),
        st.tuples(st.just("forget"), owners),
        st.tuples(st.just("find"), st.tuples(owners, st.integers(0, 6))),
        st.tuples(st.just("purge"), st.tuples(st.integers(0, 4 * HOUR_US), st.integers(1, 6))),
    ),
    max_size=14,
)


class Model:
    """Records as a plain list, and what each step does to them."""

    def __init__(self) -> None:
        self.kept: list[RequestRecord] = []

    def append(self, some: Sequence[RequestRecord]) -> None:
        for one in some:
            if all(tuple_of(one)[:4] != tuple_of(other)[:4] for other in self.kept):
                self.kept.append(one)

    def of(self, tenant: str, refs: Sequence[str]) -> list[RequestRecord]:
        found = [one for one in self.kept if one.tenant == tenant and one.subscriber_ref in refs]
        return sorted(found, key=lambda one: (one.at_us, one.request_id), reverse=True)

    def remove(self, some: Sequence[RequestRecord]) -> int:
        self.kept = [one for one in self.kept if one not in some]
        return len(some)


async def act(records: FileRecords, model: Model, step: Step) -> None:
    match step:
        case ("append", list(some)):
            model.append(some)
            await records.append(some)
        case ("forget", (str(tenant), list(refs))):
            removed = model.remove(model.of(tenant, refs))
            assert await records.forget(tenant, refs) == removed
        case ("find", ((str(tenant), list(refs)), int(limit))):
            found = await records.find(tenant, refs, limit, LAST_RECORD)
            assert keys(found) == keys(model.of(tenant, refs)[:limit])
        case ("purge", (int(before), int(limit))):
            old = [one for one in model.kept if one.at_us < before]
            left = model.remove(old)
            while left:
                assert await records.purge(before, limit) == min(left, limit)
                left -= min(left, limit)
            assert await records.purge(before, limit) == 0
        case _:
            raise AssertionError(step)


def keys(found: Sequence[RequestRecord]) -> list[tuple[int, str]]:
    """Return what the order of records is told by; equal ones may come in any."""
    return [(one.at_us, one.request_id) for one in found]


async def play(directory: Path, todo: Sequence[Step]) -> None:
    main, model = directory / "store.sqlite3", Model()
    main.touch()
    records = open_records(main, timeout_s=3)
    try:
        for step in todo:
            await act(records, model, step)
            batches = sqlite_batches(main)
            kept = sorted(row for batch in batches for row in batch)
            assert kept == sorted(map(tuple_of, model.kept))
            for batch in batches:
                assert 0 < len(batch) <= 4
                assert batch[-1][2] - batch[0][2] <= HOUR_US
                assert all(one[2] <= other[2] for one, other in pairwise(batch))
    finally:
        await records.close()


@settings(max_examples=150)
@given(steps)
def test_whatever_is_done_it_is_as_a_plain_list_would_be(todo: list[Step]) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "MOST", 4)
        asyncio.run(play(Path(directory), todo))
