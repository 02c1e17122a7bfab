"""Ingest's session with the broker: a client id that cannot be guessed, and what it listens to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Where readings are, a session is: its id stays, for the broker may hold messages for it."""
    op.create_table(
        "broker_session",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("client_id", sa.Text(), nullable=False, comment="secret: it can be taken over"),
        sa.Column(
            "filters",
            ARRAY(sa.Text()),
            comment="what the broker's session may listen to; null: not noted yet",
        ),
    )
    op.execute(
        "INSERT INTO broker_session (name, client_id, filters)"
        " SELECT 'tonne-ingest', 'tonne-ingest', NULL WHERE EXISTS (SELECT FROM reading)"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
