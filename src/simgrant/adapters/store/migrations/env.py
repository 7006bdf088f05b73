"""Run by Alembic for every command: online on SQLite, as SQL text for PostgreSQL.

``migrate.py`` hands in the connection; without one, statements are only written out, each to be
run by whoever asked in a transaction of its own.
"""

from __future__ import annotations

from alembic import context

from simgrant.adapters.store.schema import metadata

connection = context.config.attributes.get("connection")
context.configure(
    connection=connection,
    dialect_name=None if connection is not None else "postgresql",
    target_metadata=metadata,
    version_table="schema_version",
    # SQLite cannot alter a table much: batch mode makes a new one and copies.
    render_as_batch=True,
    # One statement a transaction: several engines cannot change two tables at once.
    transactional_ddl=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
