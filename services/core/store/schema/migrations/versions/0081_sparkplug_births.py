"""Remember what the births of Sparkplug B explain, so that a restart forgets no alias."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0081"
down_revision = "0078"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give births a table; ingest alone writes it."""
    op.create_table(
        "sparkplug_birth",
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("edge_node", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False, comment="empty: the edge node itself"),
        sa.Column("bd_seq", sa.BigInteger(), comment="birth-death sequence number of an edge node"),
        sa.Column("born_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "metrics", JSONB(), nullable=False, comment="[name, type, alias, unit] of each metric"
        ),
        sa.PrimaryKeyConstraint(
            "group_name", "edge_node", "device", name=op.f("sparkplug_birth_pkey")
        ),
        comment="newest birth of each edge node and device of Sparkplug B",
    )


def downgrade() -> None:
    """Refuse, as all migrations do."""
    raise NotImplementedError
