"""What access tokens of partner APIs were got for, and which of them were revoked.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; whatever of them an interrupted try has made is left as it is."""
    op.create_table(
        "camara_assertion",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("jti", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "client_id", "jti", name="pk_camara_assertion"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "camara_request",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("request_id", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("poll_from", sa.BigInteger, nullable=False),
        sa.Column("interval_s", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "request_id", name="pk_camara_request"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "camara_revoked",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("token_id", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "token_id", name="pk_camara_revoked"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    for name in ("camara_assertion", "camara_request", "camara_revoked"):
        op.create_index(f"ix_{name}_purge", name, ["shard", "expires_at"], if_not_exists=True)
