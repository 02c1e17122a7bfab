"""Keep organisations as they were stated, and the figures of their base years."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; there is no organisation yet."""
    op.create_table(
        "organisation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("organisation_pkey")),
        sa.UniqueConstraint("slug", name=op.f("organisation_slug_key")),
        comment="facilities under one path",
    )
    op.create_table(
        "organisation_revision",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        _known_at(),
        sa.Column("spec", postgresql.JSONB(), nullable=False, comment="the whole file"),
        sa.PrimaryKeyConstraint(
            "organisation_id", "known_at", name=op.f("organisation_revision_pkey")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("organisation_revision_organisation_id_fkey"),
        ),
        comment="every file that an organisation ever had",
    )
    op.create_table(
        "organisation_base_figure",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("figure", sa.Text(), nullable=False, comment="co2, co2e or market"),
        sa.Column("year", sa.SmallInteger(), autoincrement=False, nullable=False),
        _known_at(),
        sa.Column("ug", sa.Numeric(), nullable=False, comment="what was known of the year then"),
        sa.Column(
            "facilities",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="ids of those that it is the sum of",
        ),
        sa.Column("cause", sa.Text(), nullable=False, comment="why it replaced the one before"),
        sa.PrimaryKeyConstraint(
            "organisation_id",
            "scope",
            "figure",
            "year",
            "known_at",
            name=op.f("organisation_base_figure_pkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("organisation_base_figure_organisation_id_fkey"),
        ),
        comment="every figure of a base year of an organisation; rows are only ever added",
    )


def _known_at() -> sa.Column[object]:
    return sa.Column(
        "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
