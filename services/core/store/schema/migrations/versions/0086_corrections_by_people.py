"""Let people correct readings, and add some where none is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0086"
down_revision = "0077"
branch_labels = None
depends_on = None

_NEVER_STORED = "null: nothing was stored, a person added it"


def upgrade() -> None:
    """Say of a correction that a person states it; of one that adds there is nothing old."""
    op.alter_column("reading_correction", "old_quality", nullable=True, comment=_NEVER_STORED)
    op.alter_column("reading_correction", "old_time_source", nullable=True)
    op.alter_column("reading_correction", "old_received_at", nullable=True)
    op.alter_column(
        "reading_correction",
        "note",
        comment="why, in the words of whoever corrected or accepted it",
    )
    op.alter_column(
        "reading_correction",
        "quarantine_id",
        comment="the conflict that was accepted; null: by the channel's own rule, or by a person",
    )
    op.add_column(
        "reading_correction",
        sa.Column(
            "by_person",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="a person states the new value: what devices send later does not replace it",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
