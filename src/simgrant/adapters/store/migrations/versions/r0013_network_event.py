"""What core networks tell of subscribers: the inbox of events, and what they say when asked.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the index by which what waits is found."""
    op.create_table(
        "network_event",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "name", "effect", name="pk_network_event"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_network_event_shard", "network_event", ["shard", "at"], if_not_exists=True)
    op.create_table(
        "learned",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("msisdn", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_learned"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
