"""Let quarantine list the ids by which messages of many devices name some that nobody has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0075"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what is there names no such id."""
    op.add_column(
        "quarantine",
        sa.Column(
            "unknown_ids",
            postgresql.ARRAY(sa.Text()),
            comment="ids by which a message at a topic of many devices names some that nobody"
            " registered",
        ),
    )


def downgrade() -> None:
    """Refuse: what was recorded is never thrown away by stepping back."""
    raise NotImplementedError
