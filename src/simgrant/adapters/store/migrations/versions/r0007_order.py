"""Orders of eSIM profiles, their history, and the stock of profiles.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "esim_order",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("iccid", sa.Text, nullable=True),
        sa.Column("orphan", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=True),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "place", name="pk_esim_order"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_esim_order_due", "esim_order", ["shard", "due_at"], if_not_exists=True)
    op.create_table(
        "order_event",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "imsi", "place", "order_id", "version", name="pk_order_event"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "profile_stock",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("iccid", sa.Text, nullable=False),
        sa.Column("smdp", sa.Text, nullable=False),
        sa.Column("profile_type", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "iccid", name="pk_profile_stock"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index(
        "ix_profile_stock_free",
        "profile_stock",
        ["tenant", "smdp", "profile_type", "state", "iccid"],
        if_not_exists=True,
    )
