"""Retention: the horizon says whether what lies below it is gone already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was dropped before this version."""
    op.drop_column("reading_horizon", "raised_in")
    op.add_column(
        "reading_horizon",
        sa.Column(
            "dropped_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: what lies below it is still to be dropped",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
