"""Valid ranges of calibration functions: a recorded input tells whether it lies beyond."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing lay beyond before this version: no channel had such a function."""
    for table in ("source_hour_input", "source_hour_input_history"):
        op.add_column(
            table,
            sa.Column(
                "beyond_calibration",
                sa.Boolean(),
                comment="whether the channel's average lies beyond the valid range of its"
                " calibration function; null: it has none",
            ),
        )
    op.create_index(
        "source_hour_input_beyond_calibration_idx",
        "source_hour_input",
        ["source_id", "role", "hour"],
        postgresql_where=sa.text("beyond_calibration"),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
