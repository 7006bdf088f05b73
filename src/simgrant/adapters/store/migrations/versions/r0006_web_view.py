"""Web views that were opened, and how far they are.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the index by which rows are found that nobody needs any more."""
    op.create_table(
        "web_view",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("visit_id", sa.LargeBinary, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "visit_id", name="pk_web_view"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_web_view_purge", "web_view", ["shard", "expires_at"], if_not_exists=True)
