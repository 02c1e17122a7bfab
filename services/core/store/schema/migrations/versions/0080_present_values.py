"""Keep the present value of each threshold that fires."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the next evaluation fills them."""
    op.add_column(
        "threshold_state",
        sa.Column(
            "value",
            sa.Double(),
            nullable=True,
            comment="while it fires: of the newest evaluation; null: unknown",
        ),
    )
    op.add_column(
        "threshold_state",
        sa.Column(
            "value_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the minute that value is of",
        ),
    )


def downgrade() -> None:
    """Refuse: what was recorded is never thrown away by stepping back."""
    raise NotImplementedError
