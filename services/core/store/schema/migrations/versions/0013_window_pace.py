"""Windows are moved at another second of the minute in each facility."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Where nothing is known, the next tick moves the windows."""
    op.add_column(
        "facility_progress",
        sa.Column(
            "rolled_to",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="minute that the rolling totals were last moved in",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
