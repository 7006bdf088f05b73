"""Events of operators' systems, what is done for them, what was set aside, and timers.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, nullable=False)


def upgrade() -> None:
    """Make the tables, and the indexes by which what is due is found."""
    op.create_table(
        "bss_seen",
        _text("tenant"),
        _text("source"),
        _text("event_id"),
        _big("at"),
        _small("shard"),
        sa.PrimaryKeyConstraint("tenant", "source", "event_id", name="pk_bss_seen"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_bss_seen_purge", "bss_seen", ["shard", "at"], if_not_exists=True)
    op.create_table(
        "bss_event",
        _text("tenant"),
        _text("imsi"),
        _text("source"),
        _text("event_id"),
        _big("arrived_us"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "imsi", "source", "event_id", name="pk_bss_event"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "life_due",
        _text("tenant"),
        _text("imsi"),
        _big("due_ms"),
        _big("mark"),
        _small("tries"),
        _small("shard"),
        sa.PrimaryKeyConstraint("tenant", "imsi", name="pk_life_due"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_life_due", "life_due", ["shard", "due_ms"], if_not_exists=True)
    op.create_table(
        "bss_aside",
        _text("tenant"),
        _text("aside_id"),
        _text("source"),
        _text("event_id"),
        _text("subject"),
        _text("reason"),
        _big("at"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        _small("shard"),
        sa.PrimaryKeyConstraint("tenant", "aside_id", name="pk_bss_aside"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_bss_aside_purge", "bss_aside", ["shard", "at"], if_not_exists=True)
    op.create_index("ix_bss_aside_at", "bss_aside", ["tenant", "at"], if_not_exists=True)
    op.create_index("ix_bss_aside_subject", "bss_aside", ["tenant", "subject"], if_not_exists=True)
    op.create_table(
        "life_aspect",
        _text("tenant"),
        _text("imsi"),
        _text("aspect"),
        _big("at"),
        sa.PrimaryKeyConstraint("tenant", "imsi", "aspect", name="pk_life_aspect"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "life_timer",
        _text("tenant"),
        _text("imsi"),
        _text("kind"),
        _text("name"),
        _big("due_at"),
        _small("shard"),
        sa.PrimaryKeyConstraint("tenant", "imsi", "kind", "name", name="pk_life_timer"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("ix_life_timer_due", "life_timer", ["shard", "due_at"], if_not_exists=True)
