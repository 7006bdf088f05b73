"""Subscriptions in a SQLite file, records in another: for one machine and all its processes.

Reads are answered in the event loop itself, which takes less time than handing them to a thread,
and those of one turn share a transaction (ADR 0067). Writes go to one thread that takes all that
waits into one, so that a wait for the disk (every answer waits for it: ``synchronous = FULL``) is
shared by up to 256 of them. Request records have a file and threads of their own
(``sql/batches.py``), and hold up nobody who is answered.
"""

from __future__ import annotations

import asyncio
import functools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw

from simgrant.adapters.store.sql.batches import open_records
from simgrant.adapters.store.sql.engine import Body, Params, Row, Rows, Run, RunMany
from simgrant.adapters.store.sql.sqlite_files import (
    check_sound,
    connect,
    mapped,
    our_errors,
    prepare_writer,
    rows_of,
    unstorable,
)
from simgrant.adapters.store.sql.statements import PING, REVISION, TABLES, Guarded, for_rows
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.errors import EcsError, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.nouns import noun

T = TypeVar("T")

_CACHE_KB = 16 * 1024
"""Pages that each of three connections keeps to itself: all that leads to a row among millions, and
little of the rows. Those are found again in the system's cache, which all workers share."""
_ROWS = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows that one statement inserts; SQLite takes 32,766 parameters, and our rows have up to 20."""
_BATCH = 256  # jobs in a transaction
_GATHER_S = 0.002
"""Seconds to wait for company when writes come several at a time."""
_QUEUE = 4096  # jobs that may wait before the next is refused
_BUSY_WAITS_S = (0.001, 0.002, 0.005, 0.01, 0.02)  # between tries of a read in the loop


@noun
class SqliteConfig:
    """Where the main file is, beside which the records are, and how it is read."""

    path: Path
    reads: Literal["loop", "thread"] = "loop"
    """``thread`` keeps a slow disk from holding up every other request."""
    timeout_s: float = 3.0
    """Seconds after which a write that cannot be had is given up."""
    devices: frozenset[str] = frozenset()
    """The tenants whose networks switch the services of devices: what is active is on there."""


async def open_store(config: SqliteConfig) -> SqlStore:
    """Open both files; raise StartRefused, with one line, if one cannot be what it should."""
    connections = await asyncio.to_thread(_open, config)
    engine = SqliteEngine(config, *connections)
    try:
        records = await asyncio.to_thread(open_records, config.path, timeout_s=config.timeout_s)
    except StartRefused:
        await engine.close()
        raise
    return SqlStore(engine, records, devices=config.devices)


@noun
class _GuardedRun:
    """A statement that decides, and those that follow if it gave a row.

    They run without a savepoint, which would be two statements more: what follows can
    fail only as the whole transaction does.
    """

    guarded: Guarded
    params: Params


@noun
class _Job:
    """A statement or a transaction, and who waits for its result."""

    work: Run | _GuardedRun | Callable[[], Body[Any]]
    done: asyncio.Future[Any]


@noun
class _Result:
    """What became of a job."""

    job: _Job
    value: Any = None
    error: Exception | None = None


class _Lost(Exception):
    """The whole transaction is gone, and with it every job that was in it."""


class SqliteEngine:
    """A reading connection, a writing thread with its own, and a thread for long reads."""

    def __init__(
        self,
        config: SqliteConfig,
        reader: apsw.Connection,
        slow_reader: apsw.Connection,
        writer: apsw.Connection,
    ) -> None:
        self._in_thread = config.reads == "thread"
        self._timeout_s = config.timeout_s
        self._loop = asyncio.get_running_loop()
        self._reader = reader
        self._slow_reader = slow_reader
        self._reading = ThreadPoolExecutor(1, "simgrant-store-read")
        self._writer = writer
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0  # touched by the event loop only
        self._closed = False
        self._writing = threading.Thread(
            target=self._write_batches, name="simgrant-store-write", daemon=True
        )
        self._writing.start()

    # --- reads -------------------------------------------------------------

    async def read(self, sql: str, params: Params, *, slow: bool = False) -> Rows:
        """Return the rows of a SELECT."""
        if slow or self._in_thread:
            fetch = functools.partial(_fetch, self._slow_reader, sql, params)
            try:
                return await self._loop.run_in_executor(self._reading, fetch)
            except RuntimeError:
                raise PeerUnavailable("store_closed") from None
        for wait in _BUSY_WAITS_S:
            try:
                return self._read_now(sql, params)
            except PeerUnavailable as error:
                # Busy is what a reader meets while another process opens or closes the file.
                if error.reason != "store_busy":
                    raise
            await asyncio.sleep(wait)
        return self._read_now(sql, params)

    def _read_now(self, sql: str, params: Params) -> Rows:
        """Read in the transaction of all reads of this turn of the loop."""
        if self._closed:
            raise PeerUnavailable("store_closed")
        if not self._reader.in_transaction:
            _fetch(self._reader, "BEGIN", ())
            # A write that ends from now on is told behind this in the loop's queue, so whoever
            # waits for one reads what it wrote.
            self._loop.call_soon(self._turn_ends)
        return _fetch(self._reader, sql, params)

    def _turn_ends(self) -> None:
        if self._reader.in_transaction:  # Some errors have ended it.
            self._reader.execute("COMMIT")

    # --- writes, as the event loop sees them ---------------------------------

    async def write(self, sql: str, params: Params) -> Rows:
        """Return the rows of a change once it is on disk."""
        rows: Rows = await self._written(Run(sql, params), self._timeout_s)
        return rows

    async def write_guarded(self, guarded: Guarded, params: Params) -> bool:
        """Run the first statement, and the others if it gave a row; say whether it did."""
        done: bool = await self._written(_GuardedRun(guarded, params), self._timeout_s)
        return done

    async def write_rows(self, sql: str, rows: Sequence[Params]) -> Rows:
        """Run a statement of one row of VALUES for many, in one transaction; return its rows."""

        if for_rows(sql, 1) is None:
            raise TypeError("a statement without VALUES")

        def body() -> Body[Rows]:
            return (yield RunMany(sql, rows))

        return await self.transact(body)

    async def transact(self, body: Callable[[], Body[T]], *, slow: bool = False) -> T:
        """Run all that a body yields in one transaction and return its value."""
        value: T = await self._written(body, None if slow else self._timeout_s)
        return value

    async def close(self) -> None:
        """Write what waits, end both threads and close the file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._writing.join)
        await asyncio.to_thread(self._reading.shutdown)
        for connection in (self._reader, self._slow_reader, self._writer):
            connection.close()

    async def _written(
        self, work: Run | _GuardedRun | Callable[[], Body[Any]], timeout_s: float | None
    ) -> Any:
        if self._closed:
            raise PeerUnavailable("store_closed")
        if self._waiting >= _QUEUE:
            raise PeerUnavailable("store_overloaded", for_operator="too many writes wait")
        job = _Job(work, self._loop.create_future())
        # A bare timer: `asyncio.timeout` costs as much as a statement.
        timer = None if timeout_s is None else self._loop.call_later(timeout_s, _give_up, job)
        self._waiting += 1
        self._queue.put(job)
        try:
            return await job.done
        finally:
            if timer is not None:
                timer.cancel()

    def _deliver(self, results: Sequence[_Result]) -> None:
        self._waiting -= len(results)
        for result in results:
            if result.job.done.done():
                continue  # nobody waits any more
            if result.error is not None:
                result.job.done.set_exception(result.error)
            else:
                result.job.done.set_result(result.value)

    # --- writes, as their thread sees them -----------------------------------

    def _write_batches(self) -> None:
        crowded = False
        while (job := self._queue.get()) is not None:
            if crowded:
                # Others will come in a moment, and a commit for all costs what it costs for one.
                time.sleep(_GATHER_S)
            jobs, last = [job], False
            while len(jobs) < _BATCH and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                else:
                    jobs.append(more)
            crowded = len(jobs) > 1
            results = self._write(jobs)
            try:
                # One wake-up for all: it costs more than most of the writes.
                self._loop.call_soon_threadsafe(self._deliver, results)
            except RuntimeError:
                return  # The loop was closed before the store: nobody waits.
            if last:
                return

    def _write(self, jobs: Sequence[_Job]) -> list[_Result]:
        """Run the jobs in one transaction; one that fails takes no other with it."""
        db = self._writer
        try:
            db.execute("BEGIN IMMEDIATE")
            results = [self._run(db, job) for job in jobs]
            db.execute("COMMIT")
        except (_Lost, apsw.Error) as lost:
            error = lost.args[0] if isinstance(lost, _Lost) else mapped(lost)
            with suppress(apsw.Error):
                db.execute("ROLLBACK")
            return [_Result(job, error=_again(error)) for job in jobs]
        return results

    def _run(self, db: apsw.Connection, job: _Job) -> _Result:
        if job.done.done():
            return _Result(job)  # Told long ago that it could not be had.
        try:
            if isinstance(job.work, Run):
                # Alone, a statement that fails leaves nothing behind.
                return _Result(job, _fetch(db, job.work.sql, job.work.params))
            if isinstance(job.work, _GuardedRun):
                return _Result(job, _run_guarded(db, job.work))
            with _savepoint(db):
                return _Result(job, _drive(db, job.work()))
        except _Lost:
            raise
        except Exception as error:  # a fault of one caller's job is that caller's to see
            if not db.in_transaction:
                raise _Lost(error) from None
            return _Result(job, error=error)


def _give_up(job: _Job) -> None:
    if not job.done.done():
        job.done.set_exception(PeerTimeout("store_timeout", for_operator="a write had to wait"))


def _run_guarded(db: apsw.Connection, work: _GuardedRun) -> bool:
    (first, taken), *then = work.guarded.parts
    if not _fetch(db, first, work.params[:taken]):
        return False
    try:
        for sql, taken in then:
            _fetch(db, sql, work.params[:taken])
    except EcsError as error:
        raise _Lost(error) from None
    return True


def _drive(db: apsw.Connection, body: Body[T]) -> T:
    """Run what a transaction yields, and return its value."""
    try:
        step = next(body)
        while True:
            if isinstance(step, RunMany):
                step = body.send(_fill(db, step.sql, step.params))
            else:
                step = body.send(_fetch(db, step.sql, step.params))
    except StopIteration as end:
        value: T = end.value
        return value


@contextmanager
def _savepoint(db: apsw.Connection) -> Iterator[None]:
    db.execute("SAVEPOINT job")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK TO job")
            db.execute("RELEASE job")
        raise
    db.execute("RELEASE job")


def _fetch(db: apsw.Connection, sql: str, params: Params) -> Rows:
    # As `our_errors` does, but without a context, which every read would pay for.
    try:
        return rows_of(db, sql, params)
    except apsw.Error as error:
        raise mapped(error) from None
    except UnicodeEncodeError:
        raise unstorable() from None


def _fill(db: apsw.Connection, sql: str, params: Sequence[Params]) -> Rows:
    """Run a statement for many rows, as many at a time as it takes; return its rows.

    Each execution gives the interpreter's lock away and has to get it back from a busy
    event loop, which costs far more than a row.
    """
    start, found = 0, list[Row]()
    for rows in _ROWS:
        many = for_rows(sql, rows)
        while many is not None and len(params) - start >= rows:
            found += _fetch(db, many, tuple(chain.from_iterable(params[start : start + rows])))
            start += rows
    if start < len(params):
        with our_errors():
            found += db.executemany(sql, params).fetchall()
    return found


def _again(error: Exception) -> Exception:
    """Return the like of an error, for another who waits: one raised twice grows its traceback."""
    if isinstance(error, PeerUnavailable):
        return PeerUnavailable(error.reason, for_operator=error.for_operator)
    return PeerUnavailable("store_failed", for_operator="the transaction was lost")


# --- opening -------------------------------------------------------------------------------


def _open(
    config: SqliteConfig,
) -> tuple[apsw.Connection, apsw.Connection, apsw.Connection]:
    """Return connections to read in the loop, to read at length, and to write."""
    path = config.path
    if not path.exists():
        raise StartRefused(f"{path}: there is no database: run `simgrant db upgrade`")
    opened: list[apsw.Connection] = []
    try:
        for _ in range(3):
            opened.append(connect(path))
            opened[-1].execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        reader, slow_reader, writer = opened
        wait_ms = int(config.timeout_s * 1000)
        for connection in (slow_reader, writer):
            connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
        _check(path, writer)
        prepare_writer(writer, synchronous="FULL")
        # Four times the usual: what is written again before a checkpoint is copied once.
        writer.execute("PRAGMA wal_autocheckpoint = 4000")
        reader.execute("PRAGMA busy_timeout = 0")
        for connection in (reader, slow_reader):
            connection.execute("PRAGMA query_only = ON")
    except (apsw.Error, StartRefused) as error:
        for connection in opened:
            connection.close()
        if isinstance(error, StartRefused):
            raise
        raise StartRefused(f"{path}: {error}") from None
    return reader, slow_reader, writer


def _check(path: Path, db: apsw.Connection) -> None:
    """Raise StartRefused unless this is a sound database of this release's schema."""
    try:
        (revision,) = db.execute(PING).fetchone() or ("none",)
    except apsw.SQLError as error:
        if "no such table" not in str(error):
            raise
        revision = "none"
    if revision != REVISION:
        raise StartRefused(
            f"{path}: its tables are of revision {revision}, this release needs {REVISION}:"
            " run `simgrant db upgrade`"
        )
    # Both ends of every table.
    looks = (f"SELECT {end}(tenant) FROM {table}" for table in TABLES for end in ("min", "max"))  # noqa: S608
    check_sound(path, db, looks)
