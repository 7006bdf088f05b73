"""Subscriptions of partners to events of lines, and what they are to be told.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; whatever of them an interrupted try has made is left as it is."""
    op.create_table(
        "camara_subscription",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("api", sa.Text, nullable=False),
        sa.Column("msisdn", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subscription_id", name="pk_camara_subscription"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index(
        "ix_camara_subscription_number",
        "camara_subscription",
        ["tenant", "msisdn"],
        if_not_exists=True,
    )
    op.create_index(
        "ix_camara_subscription_client",
        "camara_subscription",
        ["tenant", "client_id", "api"],
        if_not_exists=True,
    )
    op.create_table(
        "camara_notification",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("subscription_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("befell", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("plmn", sa.Text, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.SmallInteger, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "subscription_id", "event_id", name="pk_camara_notification"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index(
        "ix_camara_notification_due",
        "camara_notification",
        ["shard", "due_at"],
        if_not_exists=True,
    )
