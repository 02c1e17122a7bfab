"""Means of pollutants tell whether they lie beyond a valid calibration range."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing lay beyond before this version: no range was held against a mean."""
    for table in ("pollutant_mean", "pollutant_mean_history"):
        op.add_column(
            table,
            sa.Column(
                "beyond_calibration",
                sa.Boolean(),
                comment="whether the mean lies beyond the valid range of the calibration function;"
                " null: there is none",
            ),
        )
    op.create_index(
        "pollutant_mean_beyond_calibration_idx",
        "pollutant_mean",
        ["source_id", "pollutant", "starts"],
        postgresql_where=sa.text("beyond_calibration"),
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
