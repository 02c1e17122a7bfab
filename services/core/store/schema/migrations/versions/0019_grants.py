"""Grants: which topics and secrets a key that is limited to a facility may name in its file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let facility files keep what they name so far; nothing needs to be granted for it."""
    op.create_table(
        "facility_grant",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="topic: the topic and all below it; secret: a variable of the notifier",
        ),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("facility_id", "kind", "name", name="facility_grant_pkey"),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name="facility_grant_facility_id_fkey"
        ),
        sa.CheckConstraint("kind IN ('topic', 'secret')", name=op.f("facility_grant_kind_check")),
        comment="what a key that is limited to the facility may name in its file",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
