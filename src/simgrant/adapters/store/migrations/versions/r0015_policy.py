"""Published policies: their versions, the changes that put them in force, and the newest of these.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "policy_version",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("made_from", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_policy_version"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "policy_change",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "change", name="pk_policy_change"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "policy_current",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_policy_current"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
