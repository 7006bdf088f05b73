"""Opens SQLite files, looks whether they are sound, and says in our words what SQLite says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from simgrant.errors import BadRequest, Conflict, EcsError, PeerUnavailable, StartRefused

CHECKED_BYTES = 64 << 20
"""A file up to this size is checked whole when opened."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a file that is there; statements commit each for itself."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=1,
        cached_statements=256,
    )
    # What a statement of many rows would have to take back needs no file of its own.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def prepare_writer(writer: sqlite3.Connection, *, synchronous: str) -> None:
    """Set what every connection that writes has in common."""
    writer.execute(f"PRAGMA synchronous = {synchronous}")
    # What is erased is overwritten, not just unlinked.
    writer.execute("PRAGMA secure_delete = ON")
    writer.execute("PRAGMA journal_size_limit = 67108864")


def check_sound(path: Path, db: sqlite3.Connection, looks: Iterable[str]) -> None:
    """Raise StartRefused or SQLite's own error unless the file is sound and may be written to.

    Of a big file only ``looks`` are taken, statements that find one that was cut off or
    is not ours; what else is wrong shows when it is read.
    """
    if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StartRefused(f"{path}: this file system cannot keep a write-ahead log")
    # Also says whether it may be written to.
    db.execute("BEGIN IMMEDIATE")
    db.execute("ROLLBACK")
    if path.stat().st_size <= CHECKED_BYTES:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"damaged: {' '.join(verdict.split())}")
        return
    for look in looks:
        db.execute(look).fetchall()


_REASONS = {
    sqlite3.SQLITE_BUSY: "store_busy",
    sqlite3.SQLITE_LOCKED: "store_busy",
    sqlite3.SQLITE_CORRUPT: "store_damaged",
    sqlite3.SQLITE_NOTADB: "store_damaged",
    sqlite3.SQLITE_FULL: "store_full",
    sqlite3.SQLITE_READONLY: "store_read_only",
}


def mapped(error: sqlite3.Error) -> EcsError:
    """Return our error for SQLite's, by its code: its text is not for us to judge."""
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict("exists", for_operator="the row exists already")
    code = getattr(error, "sqlite_errorcode", 0)
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return PeerUnavailable("store_closed")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    reason = _REASONS.get(code & 0xFF, "store_failed")
    return PeerUnavailable(reason, for_operator=f"SQLite answers {name}")


def unstorable() -> EcsError:
    """Return the error for a text that no database takes."""
    return BadRequest("unstorable_text", for_operator="a text that is not Unicode")
