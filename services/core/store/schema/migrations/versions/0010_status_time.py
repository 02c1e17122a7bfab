"""Device status: when it was said, so that of two the later one counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave what is known of devices; the next status tells the time."""
    op.add_column(
        "device",
        sa.Column(
            "status_at", sa.DateTime(timezone=True), nullable=True, comment="when it said so"
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
