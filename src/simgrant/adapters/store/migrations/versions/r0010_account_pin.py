"""PINs of accounts, by which subscribers confirm orders of eSIMs.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "account_pin",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.SmallInteger, nullable=False),
        sa.Column("tried_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_account_pin"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
