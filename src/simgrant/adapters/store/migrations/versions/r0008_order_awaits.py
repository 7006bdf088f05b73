"""What orders wait for, and orders found by their ids.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and two indexes."""
    column = sa.Column("awaits", sa.Text, nullable=True)
    if op.get_context().as_sql:
        op.add_column("esim_order", column, if_not_exists=True)
    else:
        # SQLite has no IF NOT EXISTS for columns, and this may be the second try.
        there = sa.inspect(op.get_bind()).get_columns("esim_order")
        if "awaits" not in {each["name"] for each in there}:
            op.add_column("esim_order", column)
    op.create_index("ix_esim_order_id", "esim_order", ["tenant", "order_id"], if_not_exists=True)
    awaits = sa.text("awaits IS NOT NULL")
    op.create_index(
        "ix_esim_order_awaits",
        "esim_order",
        ["tenant", "imsi", "place"],
        sqlite_where=awaits,
        postgresql_where=awaits,
        if_not_exists=True,
    )
