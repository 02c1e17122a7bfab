"""Take values of factors by the hour that are published by MQTT."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table that ingest leaves them in."""
    op.create_table(
        "factor_inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column(
            "hours", postgresql.ARRAY(sa.Integer()), nullable=False, comment="since the epoch"
        ),
        sa.Column(
            "co2_kg",
            postgresql.ARRAY(sa.Double()),
            nullable=False,
            comment="of each hour; NaN: withdrawn",
        ),
        sa.Column(
            "known_at",
            postgresql.ARRAY(sa.DateTime(timezone=True)),
            nullable=False,
            comment="of each hour",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("factor_inbox_pkey")),
        sa.ForeignKeyConstraint(
            ["series_id"], ["factor_series.id"], name=op.f("factor_inbox_series_id_fkey")
        ),
        comment="values that were published and are not taken yet; the aggregator empties it",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
