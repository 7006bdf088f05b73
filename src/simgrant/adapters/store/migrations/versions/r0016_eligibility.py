"""What a BSS told of subscriptions: a row for each that it was asked about.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "eligibility",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("told_since", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("doubted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_eligibility"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
