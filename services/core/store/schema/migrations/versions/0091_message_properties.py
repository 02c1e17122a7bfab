"""Keep with a refused message what MQTT 5 said beside its payload, so that a replay sees it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0091"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what lies in quarantine already nothing was kept."""
    op.add_column(
        "quarantine",
        sa.Column(
            "properties",
            JSONB(),
            comment="what MQTT 5 said of the message beside its payload; null: nothing",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
