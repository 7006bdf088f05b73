"""Consumers of partner APIs, their tariffs, and what they used.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; whatever of them an interrupted try has made is left as it is."""
    op.create_table(
        "camara_change",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_camara_change"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "camara_consumer",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "client_id", name="pk_camara_consumer"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "camara_tariff",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "valid_from", name="pk_camara_tariff"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "camara_usage",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("usage_id", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("application", sa.Text, nullable=False),
        sa.Column("api", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("subject_ref", sa.Text, nullable=False),
        sa.Column("correlator", sa.Text, nullable=False),
        sa.Column("tariff", sa.Text, nullable=False),
        sa.Column("price_micros", sa.BigInteger, nullable=False),
        sa.Column("share_micros", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("suspicion", sa.Text, nullable=False),
        sa.Column("sandbox", sa.SmallInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "usage_id", name="pk_camara_usage"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_camara_usage_time", "camara_usage", ["shard", "at_ms"], if_not_exists=True)
