"""What core networks say when asked: a row for each kind of it, where only numbers were kept.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew: what it had is asked for again where it is wanted."""
    op.drop_table("learned", if_exists=True)
    op.create_table(
        "learned",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "kind", name="pk_learned"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
