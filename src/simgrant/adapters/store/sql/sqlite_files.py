"""Opens SQLite files, looks whether they are sound, and says in our words what SQLite says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from simgrant.adapters.store.sql.engine import Params, Rows
from simgrant.errors import BadRequest, Conflict, EcsError, PeerUnavailable, StartRefused

CHECKED_BYTES = 64 << 20
"""A file up to this size is checked whole when opened."""


def connect(path: Path) -> apsw.Connection:
    """Return a connection to a file that is there; statements commit each for itself.

    It is for one thread at a time. Nothing else in this process may open the file with another
    copy of SQLite (ADR 0066).
    """
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
    connection = apsw.Connection(str(path), flags=flags, statementcachesize=256)
    connection.set_busy_timeout(1000)
    # Else a statement is planned anew for each set of parameters, which takes longer than a read.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # What a statement of many rows would have to take back needs no file of its own.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def rows_of(db: apsw.Connection, sql: str, params: Params = ()) -> Rows:
    """Return all rows: a statement half read would keep an old snapshot, and the log long."""
    return db.execute(sql, params).fetchall()


def prepare_writer(writer: apsw.Connection, *, synchronous: str) -> None:
    """Set what every connection that writes has in common."""
    writer.execute(f"PRAGMA synchronous = {synchronous}")
    # What is erased is overwritten, not just unlinked.
    writer.execute("PRAGMA secure_delete = ON")
    writer.execute("PRAGMA journal_size_limit = 67108864")


def check_sound(path: Path, db: apsw.Connection, looks: Iterable[str]) -> None:
    """Raise StartRefused or SQLite's own error unless the file is sound and may be written to.

    Of a big file only ``looks`` are taken, statements that find one that was cut off or
    is not ours; what else is wrong shows when it is read.
    """
    if db.execute("PRAGMA journal_mode = WAL").get != "wal":
        raise StartRefused(f"{path}: this file system cannot keep a write-ahead log")
    # Also says whether it may be written to.
    db.execute("BEGIN IMMEDIATE")
    db.execute("ROLLBACK")
    if path.stat().st_size <= CHECKED_BYTES:
        verdict = db.execute("PRAGMA quick_check(1)").get
        if verdict != "ok":
            raise apsw.CorruptError(f"damaged: {' '.join(verdict.split())}")
        return
    for look in looks:
        rows_of(db, look)


_REASONS = {
    apsw.BusyError: "store_busy",
    apsw.LockedError: "store_busy",
    apsw.CorruptError: "store_damaged",
    apsw.NotADBError: "store_damaged",
    apsw.FullError: "store_full",
    apsw.ReadOnlyError: "store_read_only",
    apsw.ConnectionClosedError: "store_closed",
}


def mapped(error: apsw.Error) -> EcsError:
    """Return our error for SQLite's, by its kind: its text is not for us to judge."""
    if isinstance(error, apsw.ConstraintError):
        return Conflict("exists", for_operator="the row exists already")
    # What SQLite itself says has a code that tells more than the kind.
    code = getattr(error, "extendedresult", 0)
    name = apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code)
    reason = _REASONS.get(type(error), "store_failed")
    return PeerUnavailable(reason, for_operator=f"SQLite answers {name or type(error).__name__}")


def unstorable() -> EcsError:
    """Return the error for a text that no database takes."""
    return BadRequest("unstorable_text", for_operator="a text that is not Unicode")


@contextmanager
def our_errors() -> Iterator[None]:
    """Raise our errors for SQLite's."""
    try:
        yield
    except apsw.Error as error:
        raise mapped(error) from None
    except UnicodeEncodeError:
        raise unstorable() from None
