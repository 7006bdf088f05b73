"""What subscribers said about consumers of partner APIs.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; one that an interrupted try has made is left as it is."""
    op.create_table(
        "camara_consent",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("application", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("api", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant",
            "imsi",
            "client_id",
            "application",
            "purpose",
            "api",
            "number",
            name="pk_camara_consent",
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
