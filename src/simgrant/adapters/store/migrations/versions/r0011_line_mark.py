"""What is noted about lines, by which devices orders are counted, and since when each was seen.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the column; servers of the release before leave it empty."""
    op.create_table(
        "line_mark",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "mark", name="pk_line_mark"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "esim_claim",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "order_id", name="pk_esim_claim"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_esim_claim_holder", "esim_claim", ["tenant", "holder"], if_not_exists=True)
    column = sa.Column("first_at", sa.BigInteger, nullable=True)
    if op.get_context().as_sql:
        op.add_column("terminal", column, if_not_exists=True)
        return
    # SQLite has no IF NOT EXISTS for columns, and this may be the second try.
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns("terminal")}
    if "first_at" not in known:
        op.add_column("terminal", column)
