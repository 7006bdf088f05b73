"""Request records in a SQLite file of their own, some hundred to a row.

A record for itself costs a page, its frame in the log and its part of a checkpoint, and every
commit to the main file makes its readers forget what they have in memory. So records are packed:
a row is a batch of them, with a hash of each one's reference beside it, by which a batch that holds
somebody's records is found without reading the others (ADR 0015).

No batch is longer than ``MOST`` or spans more than an hour, so what is old can be found by the
time of a batch's newest record, and what has to be rewritten is never much.
"""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import TypeAlias, TypeVar
from zlib import crc32

import apsw
import msgspec

from simgrant.adapters.store.sql.sqlite_files import (
    check_sound,
    connect,
    our_errors,
    prepare_writer,
    rows_of,
)
from simgrant.errors import PeerTimeout, PeerUnavailable, StartRefused
from simgrant.ports.store import RequestRecord

T = TypeVar("T")
Row: TypeAlias = tuple[str, str, int, str, bytes]
"""A record as it is packed; the first four are its key."""

MOST = 500
"""Records in a batch."""
QUEUE = 64
"""Changes that may wait before the next is refused; a worker's journal sends one at a time."""
_SPAN_US = 3_600_000_000  # between a batch's oldest and newest record
_SCANNED_AT_ONCE = 4  # batches in memory
_REWRITTEN_AT_ONCE = 8  # batches in a transaction that erases, so that an append need not wait long
_VERSION = 1
_NEVER_US = 2**63 - 1
_NOTHING = (-1, -1)

_MOVE_IT = "move it away, with its -wal and -shm, and a new one is made"

_PAGE_SIZE = 16_384  # an entry of the index fits whole
_TABLE = """
CREATE TABLE batch (
    number INTEGER PRIMARY KEY,
    oldest_us INTEGER NOT NULL,
    newest_us INTEGER NOT NULL,
    refs BLOB NOT NULL,
    rows BLOB NOT NULL
)
"""

# With the hashes in it, a search reads no page of a batch that it does not unpack.
_INDEX = "CREATE INDEX batch_times ON batch (newest_us, oldest_us, refs)"

_ADDED = "INSERT INTO batch (oldest_us, newest_us, refs, rows) VALUES (?1, ?2, ?3, ?4)"

# Where nothing is as late as the oldest of these, none of them can be there already.
_ADDED_IF_LATER = """
INSERT INTO batch (oldest_us, newest_us, refs, rows) SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM batch WHERE newest_us >= ?1)
"""

_REWRITTEN = """
UPDATE batch SET oldest_us = ?1, newest_us = ?2, refs = ?3, rows = ?4 WHERE number = ?5
"""

_DELETED = "DELETE FROM batch WHERE number = ?1"

_LAST = """
SELECT number, oldest_us, newest_us, length(refs) / 4 FROM batch ORDER BY number DESC LIMIT 1
"""

_ROWS = "SELECT rows FROM batch WHERE number = ?1"

_MEANWHILE = "SELECT rows FROM batch WHERE newest_us >= ?1 AND oldest_us <= ?2"

_OLD = f"""
SELECT number, newest_us, length(refs) / 4 FROM batch INDEXED BY batch_times
WHERE newest_us < ?1 + {_SPAN_US} AND oldest_us < ?1 ORDER BY newest_us LIMIT ?2
"""  # noqa: S608 - a constant of this file

# Whoever writes meanwhile adds newer ones, which are none of those that are still to come.
_EARLIER = """
SELECT newest_us, number, rows FROM batch
WHERE newest_us >= ?1 AND newest_us <= ?2 AND (newest_us, number) < (?2, ?3)
ORDER BY newest_us DESC, number DESC LIMIT ?4
"""

_LOOKS = (
    "SELECT min(newest_us) FROM batch",
    "SELECT max(newest_us) FROM batch",
    "SELECT min(number) FROM batch",
    "SELECT max(number) FROM batch",
)


@cache
def _holding(columns: str, count: int) -> str:
    """Return the statement that finds batches with any of so many hashes, the newest first.

    Any other record's hashes may have these bytes, and even two that stand side by side,
    so what is found has to be looked at.
    """
    hashes = " OR ".join(f"instr(refs, ?{number}) > 0" for number in range(1, count + 1))
    return (
        f"SELECT {columns} FROM batch INDEXED BY batch_times"  # noqa: S608 - of this file
        f" WHERE {hashes} ORDER BY newest_us DESC"
    )


class FileRecords:
    """A thread that writes and one that searches, each with its own connection."""

    def __init__(
        self, reader: apsw.Connection, writer: apsw.Connection, *, timeout_s: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._reading = ThreadPoolExecutor(1, "simgrant-records-read")
        self._writing = ThreadPoolExecutor(1, "simgrant-records-write")
        self._waiting = 0  # touched by the event loop only
        self._closed = False

    async def append(self, records: Sequence[RequestRecord]) -> None:
        """Keep records, all or none; one that is there already stays as it is."""
        await self._written(partial(_append, self._writer, records))

    async def find(
        self, tenant: str, subscriber_refs: Sequence[str], limit: int, before: tuple[int, str]
    ) -> Sequence[RequestRecord]:
        """Return the newest records of any of the references, newest first, older than that."""
        refs = frozenset(subscriber_refs)
        return await self._read(partial(_find, self._reader, tenant, refs, limit, before))

    async def scan(
        self, tenant: str, since_us: int, limit: int
    ) -> AsyncIterator[Sequence[RequestRecord]]:
        """Yield the newest records of a tenant in batches, about in order, none older than that.

        Several processes write, so batches may overlap.
        """
        end = (_NEVER_US, _NEVER_US)
        while limit > 0:
            end, records = await self._read(partial(_earlier, self._reader, tenant, since_us, end))
            if end == _NOTHING:
                return
            if records := records[:limit]:
                limit -= len(records)
                yield records

    async def forget(self, tenant: str, subscriber_refs: Sequence[str]) -> int:
        """Delete the records of the references, some batches at a time; return how many."""
        refs = frozenset(subscriber_refs)
        numbers = await self._read(partial(_numbers, self._reader, tenant, refs))
        removed = 0
        for start in range(0, len(numbers), _REWRITTEN_AT_ONCE):
            some = numbers[start : start + _REWRITTEN_AT_ONCE]
            removed += await self._written(partial(_forget, self._writer, some, tenant, refs))
        return removed

    async def purge(self, before_us: int, limit: int) -> int:
        """Delete at most so many of the records older than that; return how many."""
        return await self._written(partial(_purge, self._writer, before_us, limit))

    async def close(self) -> None:
        """Write what waits, end both threads and close the file."""
        if self._closed:
            return
        self._closed = True
        for thread in (self._writing, self._reading):
            await asyncio.to_thread(thread.shutdown)
        for connection in (self._reader, self._writer):
            connection.close()

    async def _read(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise PeerUnavailable("store_closed")
        return await asyncio.get_running_loop().run_in_executor(self._reading, work)

    async def _written(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise PeerUnavailable("store_closed")
        if self._waiting >= QUEUE:
            raise PeerUnavailable("store_overloaded", for_operator="too many records wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._writing, work)
        except TimeoutError:
            raise PeerTimeout("store_timeout", for_operator="a write had to wait") from None
        finally:
            self._waiting -= 1


# --- what the threads do -------------------------------------------------------------------


def _append(db: apsw.Connection, records: Iterable[RequestRecord]) -> None:
    fresh: dict[tuple[str, str, int, str], Row] = {}
    for one in records:
        row = (one.tenant, one.subscriber_ref, one.at_us, one.request_id, one.body)
        fresh.setdefault(row[:4], row)
    rows = sorted(fresh.values(), key=_time)
    with our_errors():
        whole = len(rows) == MOST and _spans_little(rows)
        # One statement is all that a busy server's batch needs: for each, this thread has to
        # get the interpreter's lock back from the event loop.
        if whole and _added_if_later(db, rows):
            return
        with _transaction(db):
            for (blob,) in rows_of(db, _MEANWHILE, (rows[0][2], rows[-1][2])):
                for known in _unpacked(blob):
                    fresh.pop(known[:4], None)
            _add(db, sorted(fresh.values(), key=_time))


def _added_if_later(db: apsw.Connection, rows: Sequence[Row]) -> bool:
    """Put rows into a batch of their own unless there may be some of them already."""
    db.execute(_ADDED_IF_LATER, _packed(rows))
    return db.changes() > 0


def _add(db: apsw.Connection, rows: list[Row]) -> None:
    """Put rows, in order of time, into the newest batch if they fit, else into new ones."""
    last = db.execute(_LAST).fetchone()
    if last is not None and rows:
        number, oldest_us, newest_us, count = last
        span_us = max(newest_us, rows[-1][2]) - min(oldest_us, rows[0][2])
        if count + len(rows) <= MOST and span_us <= _SPAN_US:
            rows = sorted(_rows(db, number) + rows, key=_time)
            db.execute(_REWRITTEN, (*_packed(rows), number))
            return
    while rows:
        end = min(len(rows), MOST)
        while not _spans_little(rows[:end]):
            end -= 1
        db.execute(_ADDED, _packed(rows[:end]))
        rows = rows[end:]


def _find(
    db: apsw.Connection,
    tenant: str,
    refs: frozenset[str],
    limit: int,
    before: tuple[int, str],
) -> list[RequestRecord]:
    found: list[Row] = []
    if not refs or limit < 1:
        return []
    with our_errors():
        hashes = _hashes(tenant, refs)
        # Closed at its end: a statement half read would keep the log from shrinking.
        with closing(db.execute(_holding("newest_us, rows", len(hashes)), hashes)) as batches:
            for newest_us, blob in batches:
                if len(found) == limit and newest_us < found[-1][2]:
                    break  # Several processes write, so batches may overlap, but not any more.
                found += (
                    row
                    for row in _unpacked(blob)
                    if _is_of(row, tenant, refs) and _time_and_id(row) < before
                )
                found.sort(key=_time_and_id, reverse=True)
                del found[limit:]
    return [RequestRecord(*row) for row in found]


def _earlier(
    db: apsw.Connection, tenant: str, since_us: int, end: tuple[int, int]
) -> tuple[tuple[int, int], list[RequestRecord]]:
    """Return a tenant's records in the batches before one, and where to go on; `_NOTHING` = none.

    End is the time and the number of that batch.
    """
    with our_errors():
        found = rows_of(db, _EARLIER, (since_us, *end, _SCANNED_AT_ONCE))
    records = [
        RequestRecord(*row)
        for *_, blob in found
        for row in reversed(_unpacked(blob))
        if row[0] == tenant and row[2] >= since_us
    ]
    newest_us, number = found[-1][:2] if found else _NOTHING
    return (newest_us, number), records


def _numbers(db: apsw.Connection, tenant: str, refs: frozenset[str]) -> list[int]:
    """Return the batches that may hold records of the references."""
    if not refs:
        return []
    with our_errors():
        hashes = _hashes(tenant, refs)
        return [number for (number,) in rows_of(db, _holding("number", len(hashes)), hashes)]


def _forget(db: apsw.Connection, numbers: Sequence[int], tenant: str, refs: frozenset[str]) -> int:
    with our_errors(), _transaction(db):
        return sum(
            _leave_out(db, number, lambda row: _is_of(row, tenant, refs)) for number in numbers
        )


def _purge(db: apsw.Connection, before_us: int, limit: int) -> int:
    left = limit
    with our_errors(), _transaction(db):
        for number, newest_us, count in rows_of(db, _OLD, (before_us, limit)):
            if newest_us < before_us and count <= left:
                db.execute(_DELETED, (number,))
                left -= count
            elif left:
                left -= _leave_out(db, number, lambda row: row[2] < before_us, at_most=left)
    return limit - left


def _leave_out(
    db: apsw.Connection,
    number: int,
    unwanted: Callable[[Row], bool],
    *,
    at_most: float = inf,
) -> int:
    """Rewrite a batch without its unwanted records, the oldest first; return how many."""
    rows = _rows(db, number)
    kept, removed = [], 0
    for row in rows:
        if removed < at_most and unwanted(row):
            removed += 1
        else:
            kept.append(row)
    if not kept:
        db.execute(_DELETED, (number,))
    elif removed:
        db.execute(_REWRITTEN, (*_packed(kept), number))
    return removed


# --- batches -------------------------------------------------------------------------------

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Row]).decode


def _packed(rows: Sequence[Row]) -> tuple[int, int, bytes, bytes]:
    """Return a batch of rows, in order of time, as its four columns."""
    refs = b"".join(_hash(row[0], row[1]) for row in rows)
    return rows[0][2], rows[-1][2], refs, _encode(rows)


def _unpacked(blob: bytes) -> list[Row]:
    try:
        return _decode(blob)
    except msgspec.DecodeError:
        raise PeerUnavailable("store_damaged", for_operator="a batch of records is torn") from None


def _rows(db: apsw.Connection, number: int) -> list[Row]:
    """Return the rows of a batch, none if it is gone."""
    blob = db.execute(_ROWS, (number,)).get
    return [] if blob is None else _unpacked(blob)


def _hash(tenant: str, subscriber_ref: str) -> bytes:
    return crc32(f"{tenant}\0{subscriber_ref}".encode()).to_bytes(4, "big")


def _hashes(tenant: str, refs: Collection[str]) -> tuple[bytes, ...]:
    return tuple(_hash(tenant, reference) for reference in refs)


def _is_of(row: Row, tenant: str, refs: Collection[str]) -> bool:
    return row[0] == tenant and row[1] in refs


def _spans_little(rows: Sequence[Row]) -> bool:
    return rows[-1][2] - rows[0][2] <= _SPAN_US


def _time(row: Row) -> int:
    return row[2]


def _time_and_id(row: Row) -> tuple[int, str]:
    return row[2], row[3]


@contextmanager
def _transaction(db: apsw.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):
            db.execute("ROLLBACK")
        raise


# --- opening -------------------------------------------------------------------------------


def records_path(main: Path) -> Path:
    """Return where the records are of the store in this file."""
    return main.with_name(f"{main.stem}-records{main.suffix}")


def open_records(main: Path, *, timeout_s: float) -> FileRecords:
    """Open the records beside a main file, made if need be; raise StartRefused, with one line."""
    path = records_path(main)
    opened: list[apsw.Connection] = []
    try:
        if not path.exists():
            _make(path, main)
        for _ in range(2):
            opened.append(connect(path))
        reader, writer = opened
        for connection in opened:
            connection.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        _check(path, writer)
        prepare_writer(writer, synchronous="NORMAL")
        reader.execute("PRAGMA query_only = ON")
    except (OSError, apsw.Error, StartRefused) as error:
        for connection in opened:
            connection.close()
        if isinstance(error, StartRefused):
            raise
        if isinstance(error, apsw.CorruptError | apsw.NotADBError):
            raise StartRefused(f"{path}: {error}: {_MOVE_IT}") from None
        raise StartRefused(f"{path}: {getattr(error, 'strerror', error)}") from None
    return FileRecords(reader, writer, timeout_s=timeout_s)


def _make(path: Path, main: Path) -> None:
    """Make the file under another name first: others find none, or one that is ready."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and not path.exists():
        # It would be taken for the new file's own and played into it.
        raise StartRefused(f"{log}: the log of a file that is gone: move it away")
    like = main.stat()
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    made = Path(name)
    try:
        with closing(connect(made)) as db:
            db.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(_TABLE)
            db.execute(_INDEX)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        made.chmod(stat.S_IMODE(like.st_mode))
        if os.geteuid() == 0:
            # Made by root, at the command line say, it is the server's all the same.
            os.chown(made, like.st_uid, like.st_gid)
        with suppress(FileExistsError):  # Another process was faster.
            path.hardlink_to(made)
    finally:
        made.unlink()


def _check(path: Path, db: apsw.Connection) -> None:
    """Raise StartRefused unless these are sound records of this release's version."""
    version = db.execute("PRAGMA user_version").get
    if version != _VERSION:
        raise StartRefused(
            f"{path}: its records are of version {version}, this release needs {_VERSION}:"
            f" {_MOVE_IT}"
        )
    rows_of(db, _LAST)  # finds out whose tables they are
    check_sound(path, db, _LOOKS)
