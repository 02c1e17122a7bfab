"""Keep products as they were stated; what is counted of them is a source of scope 0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; no facility has a product yet."""
    op.create_table(
        "product_revision",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "spec",
            postgresql.JSONB(),
            nullable=False,
            comment="a list, empty where the file names no product",
        ),
        sa.PrimaryKeyConstraint("facility_id", "known_at", name=op.f("product_revision_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("product_revision_facility_id_fkey")
        ),
        comment="every list of products that a facility's file ever stated",
    )
    op.alter_column(
        "source", "scope", comment="0: it emits nothing, and counts what is made of a product"
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
