"""The ICCID of a subscription's SIM, and why a device is told of a change.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"
branch_labels = None
depends_on = None

_NEW = (("subscription", "iccid"), ("notice", "cause"))


def upgrade() -> None:
    """Add the columns; servers of the release before leave them alone, and they stay empty."""
    for table, name in _NEW:
        column = sa.Column(name, sa.Text, nullable=True)
        if op.get_context().as_sql:
            op.add_column(table, column, if_not_exists=True)
            continue
        # SQLite has no IF NOT EXISTS for columns, and this may be the second try.
        known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}
        if name not in known:
            op.add_column(table, column)
