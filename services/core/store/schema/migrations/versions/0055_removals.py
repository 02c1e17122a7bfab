"""Keep removals and credits as they were stated, and each unit of a credit once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables; nothing is stated yet."""
    op.create_table(
        "removal_revision",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "spec", postgresql.JSONB(), nullable=False, comment="removals and credits, each a list"
        ),
        sa.PrimaryKeyConstraint("facility_id", "known_at", name=op.f("removal_revision_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("removal_revision_facility_id_fkey")
        ),
        comment="all that a facility's file ever stated of removals and credits",
    )
    op.create_table(
        "credit_unit",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False, comment="as it is compared"),
        sa.Column("serial", sa.Text(), nullable=False, comment="as it is compared"),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="number of the first unit"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="number of the last unit"),
        sa.PrimaryKeyConstraint("facility_id", "slug", name=op.f("credit_unit_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("credit_unit_facility_id_fkey")
        ),
        comment="units of credits that are in force, of which no two facilities have the same",
    )
    op.create_index(
        "credit_unit_registry_serial_first_idx",
        "credit_unit",
        ["registry", "serial", "first"],
        unique=True,
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
