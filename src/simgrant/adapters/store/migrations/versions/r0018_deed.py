"""Who changed what on the management plane, and what its calls were answered.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; whatever of them an interrupted try has made is left as it is."""
    op.create_table(
        "audit_entry",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before_digest", sa.LargeBinary, nullable=False),
        sa.Column("after_digest", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_audit_entry"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index(
        "ix_audit_entry_subject",
        "audit_entry",
        ["tenant", "subject", "number"],
        if_not_exists=True,
    )
    op.create_table(
        "audit_head",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_audit_head"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "api_answer",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("call_key", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("progress", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "client", "call_key", name="pk_api_answer"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_api_answer_purge", "api_answer", ["shard", "at"], if_not_exists=True)
    op.create_index(
        "ix_api_answer_subject", "api_answer", ["tenant", "subject"], if_not_exists=True
    )
