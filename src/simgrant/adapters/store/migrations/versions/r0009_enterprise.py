"""How many eSIM orders each enterprise has.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "enterprise",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("enterprise_id", sa.Text, nullable=False),
        sa.Column("live", sa.BigInteger, nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "enterprise_id", name="pk_enterprise"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
