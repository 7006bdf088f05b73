"""The SQL itself: that any engine of the family can run it, and that its parts fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from simgrant.adapters.store.schema import metadata, postgres_metadata
from simgrant.adapters.store.sql import (
    camara_consents,
    camara_consumers,
    camara_events,
    camara_lines,
    camara_tokens,
    camara_usage,
    deeds,
    hubs,
    life_statements,
    policies,
    statements,
    switching,
    told,
)
from simgrant.adapters.store.sql.statements import Guarded, as_arrays, numbered, shard_of

# What CockroachDB, YugabyteDB or Citus lacks, or gives another meaning.
BANNED = re.compile(
    r"\b(SERIAL|BIGSERIAL|SMALLSERIAL|IDENTITY|AUTOINCREMENT|SEQUENCE|NEXTVAL|LISTEN|NOTIFY"
    r"|UNLISTEN|PG_\w*ADVISORY\w*|LOCK\s+TABLE|TRIGGER|GIST|SPGIST|EXCLUDE\s+USING|STORED"
    r"|XML\w*|XPATH|DEFERRABLE|DEFERRED|ENUM|REFERENCES|PREPARE\s+TRANSACTION|TEMP|TEMPORARY"
    r"|ALTER\s+TYPE|RULE|INHERITS|UNLOGGED)\b",
    re.IGNORECASE,
)
TYPES = {"TEXT", "BYTEA", "SMALLINT", "INTEGER", "BIGINT", "BOOLEAN"}

SQL = {
    name: life_statements.of(value, 1)
    for module in (
        statements,
        life_statements,
        policies,
        deeds,
        switching,
        told,
        hubs,
        camara_consents,
        camara_consumers,
        camara_events,
        camara_lines,
        camara_tokens,
        camara_usage,
    )
    for name, value in vars(module).items()
    if isinstance(value, str) and re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", value)
} | {
    f"{name}.joined": value.joined
    for name, value in vars(statements).items()
    if isinstance(value, Guarded)
}


POSTGRES_SCHEMA = metadata.tables | postgres_metadata.tables


def ddl() -> list[str]:
    """Return what makes the schema, for both engines."""
    schemas = (
        (postgresql.dialect(), POSTGRES_SCHEMA),  # type: ignore[no-untyped-call]
        (sqlite.dialect(), metadata.tables),
    )
    made: list[str] = []
    for dialect, tables in schemas:
        for table in tables.values():
            one: list[DDLElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
            made += (str(element.compile(dialect=dialect)) for element in one)
    return made


def test_there_are_statements_to_look_at() -> None:
    assert len(SQL) > 35
    assert len(ddl()) == (47 + 28) + (46 + 27)


@pytest.mark.parametrize("name", sorted(SQL))
def test_a_statement_needs_nothing_that_some_engine_lacks(name: str) -> None:
    assert not BANNED.search(SQL[name])


def test_the_schema_needs_nothing_that_some_engine_lacks() -> None:
    for text in ddl():
        assert not BANNED.search(text)
    here = Path(statements.__file__).parent.parent
    for script in (here / "migrations" / "versions").glob("*.py"):
        assert not re.search(
            r"autoincrement|Identity|Sequence|Enum|\bForeignKey", script.read_text()
        )


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE a (id BIGSERIAL)",
        "id bigint GENERATED ALWAYS AS IDENTITY",
        "b int GENERATED ALWAYS AS (a) STORED",
        "LISTEN x",
        "select pg_advisory_lock(1)",
        "CREATE TRIGGER x",
        "USING gist (a)",
        "DEFERRABLE INITIALLY DEFERRED",
        "select xmlparse(1)",
    ],
)
def test_the_ban_finds_what_it_bans(text: str) -> None:
    assert BANNED.search(text)


def test_every_key_begins_with_the_tenant_and_no_index_with_the_time() -> None:
    for table in POSTGRES_SCHEMA.values():
        key = [column.name for column in table.primary_key]
        assert key[0] == "tenant"
        if "imsi" in table.c and table.name != "msisdn":
            assert key[1] == "imsi"
        for column in table.c:
            assert column.type.compile(postgresql.dialect()) in TYPES  # type: ignore[no-untyped-call]
            assert column.server_default is None
            assert not column.foreign_keys
        for index in table.indexes:
            assert next(iter(index.columns)).name in ("shard", "tenant")
            assert not index.unique


# Those that follow another in one transaction take some of its parameters.
@pytest.mark.parametrize(
    "name", sorted(SQL.keys() - {"_TERMINAL_SEEN", "_GRANT_KEPT", "ASSERTION_FOLLOWS"})
)
def test_parameters_are_numbered_without_a_gap(name: str) -> None:
    numbers = {int(number) for number in re.findall(r"\?(\d+)", SQL[name])}
    assert numbers == set(range(1, len(numbers) + 1))
    assert "?" not in numbered(SQL[name])
    assert "'" not in re.sub(r"'removed'", "", SQL[name])


@pytest.mark.parametrize("name", sorted(SQL))
def test_who_changes_some_rows_of_many_waits_for_none(name: str) -> None:
    """Two who took them in different orders would wait for each other (ADR 0065)."""
    if re.search(r"LIMIT", SQL[name]) and re.search(r"\b(UPDATE|DELETE FROM) \w+\b", SQL[name]):
        alone = name == "ENTRIES_PURGED"  # of one tenant, in the order of its key
        assert alone or "FOR UPDATE SKIP LOCKED */)" in SQL[name]
    assert "/*" not in numbered(SQL[name])


MANY = (
    "NEW_SUBSCRIPTION",
    "SUBSCRIPTION_REPLACED",
    "NEW_MSISDN",
    "SIM_KEY_SET",
    "RECORD_KEPT",
    "EVENT_KEPT",
    "DUE",
    "ASIDE_KEPT",
    "ASPECT_KEPT",
)


@pytest.mark.parametrize("name", MANY)
def test_many_rows_are_sent_as_arrays_of_the_columns_types(name: str) -> None:
    text = as_arrays(SQL[name])
    assert text is not None
    found = re.search(r"INSERT INTO (\w+) \(([^)]*)\)\s+SELECT \* FROM unnest\(([^)]*)\)", text)
    assert found is not None
    table = POSTGRES_SCHEMA[found[1]]
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    wanted = [table.c[column].type.compile(dialect) for column in found[2].split(", ")]
    given = [re.sub(r"\$\d+::|\[\]", "", array).upper() for array in found[3].split(", ")]
    assert given == wanted


def test_what_is_no_plain_insert_is_not_sent_as_arrays() -> None:
    assert as_arrays(statements.MSISDN_FREED) is None
    assert as_arrays(statements.TERMS_SET) is None


def test_shards_never_change() -> None:
    texts = ("", "001010000000001", "001010000000002", "å")
    assert [shard_of(text) for text in texts] == [0, 6, 12, 5]


def test_many_rows_are_one_statement_where_that_says_the_same() -> None:
    whole = statements.for_rows(statements.RECORD_KEPT, 3)
    assert whole is not None
    assert "(?1, ?2, ?3, ?4, ?5, ?6), (?7, " in whole
    assert whole.count("?") == 18
    assert whole.index("?18") < whole.index("ON CONFLICT")
    assert statements.for_rows(statements.MSISDN_FREED, 3) is None
