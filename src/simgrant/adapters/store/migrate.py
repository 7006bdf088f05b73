"""Brings a database to the schema of this release: what ``simgrant db upgrade`` runs.

SQLite is migrated through SQLAlchemy, whose batch mode has to look at the tables. PostgreSQL is
sent the statements that Alembic writes out, one transaction each, over asyncpg: so it needs no
second driver, and an engine that takes one schema change at a time can follow.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import apsw
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from simgrant.errors import StartRefused

T = TypeVar("T")
Progress = Callable[[str], None]

_VERSION = "SELECT version_num FROM schema_version"
_TIMEOUT_S = 10.0  # to connect; a statement may take as long as it takes


def head() -> str:
    """Return the revision that this release needs."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise StartRefused("this installation lacks its migrations")
    return newest


def current(url: str) -> str | None:
    """Return the revision of the database, None if it has no tables of ours yet."""
    path = sqlite_path(url)
    if path is None:
        return _apart(_postgres_current(url))
    if not path.exists():
        return None
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            row = db.execute(_VERSION).fetchone()
    except apsw.Error as error:
        if isinstance(error, apsw.SQLError) and "no such table" in str(error):
            return None
        raise StartRefused(f"{path}: {error}") from None
    return None if row is None else str(row[0])


def upgrade(url: str, on_progress: Progress | None = None) -> None:
    """Bring the database to this release's revision; one that was cut short may be repeated.

    ``on_progress`` is told every statement before it is run. Raise StartRefused, with one
    line, if the database cannot be reached or is of a newer release.
    """
    tell = on_progress or (lambda _: None)
    at = current(url)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if at is not None and at not in known:
        raise StartRefused(f"the database has revision {at}, which this release does not know")
    if at == head():
        return
    path = sqlite_path(url)
    if path is None:
        _apart(_postgres_run(url, _statements(at), tell))
    else:
        _upgrade_sqlite(path, tell)


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite URL (``sqlite:///relative``, ``sqlite:////absolute``)."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return Path(rest.removeprefix("/"))
    if scheme in ("postgresql", "postgres"):
        return None
    raise StartRefused("the store's URL must begin with sqlite:/// or postgresql://")


def _config() -> Config:
    config = Config()
    # A percent sign in the path would be taken for an interpolation.
    here = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", here)
    return config


# --- SQLite --------------------------------------------------------------------------------


def _upgrade_sqlite(path: Path, tell: Progress) -> None:
    try:
        # SIM keys will be in it, wrapped or not: nobody else's to read.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StartRefused(f"{path}: {error.strerror}") from None
    engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(path)))

    def tell_of(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("PRAGMA"):
            tell(" ".join(statement.split()))

    sqlalchemy.event.listen(engine, "before_cursor_execute", tell_of)
    config = _config()
    try:
        with engine.connect() as connection:
            # Readers and one writer at a time, for good: the mode is kept in the file.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except sqlalchemy.exc.DBAPIError as error:
        raise StartRefused(f"{path}: {error.orig}") from None
    finally:
        engine.dispose()


# --- PostgreSQL ----------------------------------------------------------------------------


class _Collected(StringIO):
    """Takes what Alembic writes; it writes a statement at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.statements: list[str] = []

    def write(self, text: str) -> int:
        lines = [line for line in text.splitlines() if not line.startswith("--")]
        if statement := "\n".join(lines).strip():
            self.statements.append(statement)
        return len(text)


def _statements(start: str | None) -> list[str]:
    """Return what brings PostgreSQL from a revision to the newest."""
    collected = _Collected()
    config = _config()
    config.output_buffer = collected
    command.upgrade(config, "head" if start is None else f"{start}:head", sql=True)
    return collected.statements


async def _postgres_current(url: str) -> str | None:
    import asyncpg

    connection = await _connect(url)
    try:
        found = await connection.fetchval(_VERSION)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return None if found is None else str(found)


async def _postgres_run(url: str, statements: list[str], tell: Progress) -> None:
    import asyncpg

    connection = await _connect(url)
    try:
        for statement in statements:
            if statement.startswith("CREATE TABLE schema_version"):
                statement = statement.replace("TABLE", "TABLE IF NOT EXISTS", 1)
            tell(" ".join(statement.split()))
            await connection.execute(statement)
    except (asyncpg.PostgresError, OSError) as error:
        raise StartRefused(f"the database refused the upgrade: {error}") from None
    finally:
        await connection.close()


async def _connect(url: str) -> Any:
    try:
        import asyncpg
    except ImportError:
        raise StartRefused("PostgreSQL needs asyncpg: install simgrant[postgres]") from None
    try:
        return await asyncpg.connect(url, timeout=_TIMEOUT_S)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise StartRefused(f"the database cannot be reached: {reason}") from None


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop of its own, whether or not the caller is in one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
