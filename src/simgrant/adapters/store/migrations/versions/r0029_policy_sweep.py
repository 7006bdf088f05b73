"""How far devices were told that another policy decides.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; one that an interrupted try has made is left as it is."""
    op.create_table(
        "policy_sweep",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("after_imsi", sa.Text, nullable=False),
        sa.Column("looked", sa.BigInteger, nullable=False),
        sa.Column("told", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "change", name="pk_policy_sweep"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
