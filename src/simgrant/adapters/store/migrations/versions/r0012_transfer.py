"""Why a device is told of a change, such as that its line has moved.

Frozen: a change of the schema is a new revision.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; servers of the release before leave it alone, and it stays empty."""
    column = sa.Column("cause", sa.Text, nullable=True)
    if op.get_context().as_sql:
        op.add_column("notice", column, if_not_exists=True)
        return
    # SQLite has no IF NOT EXISTS for columns, and this may be the second try.
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns("notice")}
    if "cause" not in known:
        op.add_column("notice", column)
