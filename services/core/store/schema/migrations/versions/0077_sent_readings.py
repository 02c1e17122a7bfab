"""Keep answers to readings that came by HTTP with a key of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "sent_readings",
        sa.Column("sender", sa.Text(), nullable=False, comment="whose key or account"),
        sa.Column("key", sa.Text(), nullable=False, comment="Idempotency-Key"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of what was sent"),
        sa.Column("status", sa.SmallInteger(), nullable=True, comment="null: not answered yet"),
        sa.Column(
            "answer", sa.LargeBinary(), nullable=True, comment="JSON; null: not answered yet"
        ),
        sa.Column(
            "made_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("sender", "key", name=op.f("sent_readings_pkey")),
    )
    op.create_index("sent_readings_made_at_idx", "sent_readings", ["made_at"])


def downgrade() -> None:
    """Refuse: what was answered is never thrown away by stepping back."""
    raise NotImplementedError
