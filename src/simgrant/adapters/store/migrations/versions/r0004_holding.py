"""What subscriptions hold besides their plans: boosts, counters, opt-ins, terms of stores.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "holding",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "kind", "name", name="pk_holding"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
