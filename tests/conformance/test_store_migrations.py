"""Migrations: what they build is what ``schema.py`` says, on both engines."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from simgrant.adapters.store import migrate
from simgrant.adapters.store.schema import metadata, postgres_metadata
from simgrant.adapters.store.sql.statements import REVISION, TABLES
from tests.servers.postgres import Postgres

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, is_generated
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2
"""


def made_in(statements: list[str]) -> set[str]:
    """Return the tables that statements make; one may be made anew by a later revision."""
    found = (re.match(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", text) for text in statements)
    return {match[1] for match in found if match}


def test_the_statements_are_for_the_newest_revision() -> None:
    assert migrate.head() == REVISION
    assert set(metadata.tables) == set(TABLES)


def test_sqlite_is_built_as_the_schema_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    assert migrate.current(url) is None
    told: list[str] = []
    migrate.upgrade(url, told.append)
    assert migrate.current(url) == migrate.head() == REVISION
    assert len(made_in(told)) == len(TABLES) + 1
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": "schema_version", "compare_type": True},
        )
        assert compare_metadata(context, metadata) == []
        keys = {
            table: sqlalchemy.inspect(connection).get_pk_constraint(table)["constrained_columns"]
            for table in TABLES
        }
    engine.dispose()
    assert keys == {
        name: [column.name for column in table.primary_key]
        for name, table in metadata.tables.items()
    }
    again: list[str] = []
    migrate.upgrade(url, again.append)
    assert again == []


def test_postgres_is_built_as_the_schema_says(postgres: Postgres) -> None:
    migrated, made = postgres.create_database(), postgres.create_database()
    assert migrate.current(migrated) is None
    told: list[str] = []
    migrate.upgrade(migrated, told.append)
    assert migrate.current(migrated) == REVISION
    count = len(TABLES) + len(postgres_metadata.tables)
    assert len(made_in(told)) == count + 1
    migrate.upgrade(migrated, told.append)

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in (*metadata.sorted_tables, *postgres_metadata.sorted_tables):
        made_of: list[DDLElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
        for ddl in made_of:
            postgres.sql(str(ddl.compile(dialect=dialect)), dbname=made.rpartition("/")[2])
    postgres.sql("DROP TABLE schema_version", dbname=migrated.rpartition("/")[2])
    for query in (COLUMNS, INDEXES, CONSTRAINTS):
        is_, should_be = (
            postgres.sql(query, dbname=url.rpartition("/")[2]) for url in (migrated, made)
        )
        assert is_ == should_be
        assert is_


async def test_an_upgrade_may_be_asked_for_inside_an_event_loop(postgres_url: str) -> None:
    migrate.upgrade(postgres_url)
    assert await asyncio.to_thread(migrate.current, postgres_url) == REVISION


def test_an_upgrade_that_was_cut_short_is_simply_repeated(
    postgres: Postgres, tmp_path: Path
) -> None:
    class CutShort(Exception):
        pass

    all_of_them: list[str] = []
    migrate.upgrade(f"sqlite:///{tmp_path / 'whole.sqlite3'}", all_of_them.append)
    for allowed in range(len(all_of_them)):
        path = tmp_path / f"store-{allowed}.sqlite3"
        urls = [f"sqlite:///{path}"]
        # What is told comes from the same place for both; a database there takes seconds.
        if allowed % 12 == 0:
            urls.append(postgres.create_database())
        for url in urls:
            left = allowed

            def tell(_: str) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise CutShort

            with pytest.raises(CutShort):
                migrate.upgrade(url, tell)
            assert migrate.current(url) != REVISION
            migrate.upgrade(url)
            assert migrate.current(url) == REVISION
        with closing(apsw.Connection(str(path))) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert db.execute("SELECT * FROM schema_version").fetchall() == [(REVISION,)]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", Path("a/b.db")),
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("postgresql://u@h/d", None),
        ("postgres://u@h/d", None),
    ],
)
def test_urls_are_those_of_sqlalchemy(url: str, path: Path | None) -> None:
    assert migrate.sqlite_path(url) == path
