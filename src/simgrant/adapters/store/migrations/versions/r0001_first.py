"""The first tables.

Frozen: a change of the schema is a new revision. Every statement may be repeated, since each has
a transaction of its own and an upgrade that was cut short is simply run again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table, and the indexes by which old rows are found."""
    op.create_table(
        "msisdn",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("msisdn", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "msisdn", name="pk_msisdn"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "push_registration",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("terminal_id", sa.Text, nullable=False),
        sa.Column("app_id", sa.Text, nullable=False),
        sa.Column("app_name", sa.Text, nullable=False),
        sa.Column("action", sa.SmallInteger, nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "imsi", "terminal_id", "app_id", "app_name", name="pk_push_registration"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "session",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("session_id", sa.LargeBinary, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("answer_hash", sa.LargeBinary, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "session_id", name="pk_session"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "sim_key",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("wrapped_k", sa.LargeBinary, nullable=False),
        sa.Column("wrapped_op", sa.LargeBinary, nullable=False),
        sa.Column("amf", sa.LargeBinary, nullable=False),
        sa.Column("sqn_offset", sa.BigInteger, nullable=False),
        sa.Column("res_length", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_sim_key"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "subscription",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("msisdn", sa.Text, nullable=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("gid1", sa.Text, nullable=False),
        sa.Column("provisioning", sa.SmallInteger, nullable=False),
        sa.Column("visited_plmn", sa.Text, nullable=False),
        sa.Column("visited_at", sa.BigInteger, nullable=False),
        sa.Column("token_epoch", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("terms_status", sa.Text, nullable=True),
        sa.Column("terms_version", sa.Text, nullable=True),
        sa.Column("terms_at", sa.BigInteger, nullable=True),
        sa.Column("terms_expires_at", sa.BigInteger, nullable=True),
        sa.Column("address_status", sa.Text, nullable=True),
        sa.Column("address_version", sa.Text, nullable=True),
        sa.Column("address_at", sa.BigInteger, nullable=True),
        sa.Column("address_expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_subscription"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "terminal",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("terminal_id", sa.Text, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("sw_version", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "terminal_id", name="pk_terminal"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "token_grant",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("imsi", sa.Text, nullable=False),
        sa.Column("terminal_id", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("token_epoch", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "terminal_id", "client", name="pk_token_grant"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_session_purge", "session", ["shard", "at"], if_not_exists=True)
    if op.get_context().dialect.name == "postgresql":
        _records()


def _records() -> None:
    """Make the table of records, which with SQLite have a file of their own."""
    op.create_table(
        "record",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("subscriber_ref", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "subscriber_ref", "at_us", "request_id", name="pk_record"
        ),
        if_not_exists=True,
    )
    op.create_index("ix_record_purge", "record", ["shard", "at_us"], if_not_exists=True)
