"""Keep paths to net zero as they were stated, and the figures of their base years."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables; no facility has a path yet."""
    op.create_table(
        "pathway_revision",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "spec",
            postgresql.JSONB(),
            nullable=False,
            comment="a list, empty where the file states no path",
        ),
        sa.PrimaryKeyConstraint("facility_id", "known_at", name=op.f("pathway_revision_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("pathway_revision_facility_id_fkey")
        ),
        comment="every path that a facility's file ever stated",
    )
    op.create_table(
        "base_year_figure",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("figure", sa.Text(), nullable=False, comment="co2, co2e or market"),
        sa.Column("year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("ug", sa.Numeric(), nullable=False, comment="what was known of the year then"),
        sa.Column("cause", sa.Text(), nullable=False, comment="why it replaced the one before"),
        sa.PrimaryKeyConstraint(
            "facility_id",
            "scope",
            "figure",
            "year",
            "known_at",
            name=op.f("base_year_figure_pkey"),
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("base_year_figure_facility_id_fkey")
        ),
        comment="every figure of a base year that a path was computed from; rows are only ever"
        " added",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
