"""Audits: an hour's average keeps what it was before the bias factor of an audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No factor was applied before this version."""
    op.add_column(
        "source_hour_input",
        sa.Column(
            "unadjusted",
            sa.Numeric(),
            nullable=True,
            comment="the average before the bias factor of an audit; null: none applies",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
