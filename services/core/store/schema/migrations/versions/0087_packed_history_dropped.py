"""Say that packed readings without a chunk are recorded too when they are dropped."""

from __future__ import annotations

from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Comment the table as new databases have it."""
    op.create_table_comment(
        "dropped_readings",
        "every chunk of raw readings that was dropped, and what was packed where there is none;"
        " rows are only ever added",
    )
