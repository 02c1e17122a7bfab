"""Keep factors by the hour, each value with since when it is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the series and their values; no factor is one yet."""
    op.add_column(
        "factor",
        sa.Column(
            "fallback",
            sa.Text(),
            comment="of a series, what holds for hours without a value, in order; null: no series",
        ),
    )
    op.add_column(
        "factor",
        sa.Column(
            "series_id",
            sa.Integer(),
            comment="of a series, the factor_series that has its values",
        ),
    )
    op.create_table(
        "factor_series",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), comment="null: for every facility"),
        sa.Column("slug", sa.Text(), nullable=False, comment="the factor's"),
        sa.Column(
            "unit", sa.Text(), nullable=False, comment="values are per this unit of activity"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("factor_series_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("factor_series_facility_id_fkey")
        ),
        sa.UniqueConstraint(
            "facility_id",
            "slug",
            name=op.f("factor_series_facility_id_slug_key"),
            postgresql_nulls_not_distinct=True,
        ),
        comment="every factor by the hour that was ever stated",
    )
    op.create_table(
        "factor_value",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="its first instant"),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="since when tonne knows it",
        ),
        sa.Column(
            "known_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="since when it could be known, as its publisher says; the latest holds",
        ),
        sa.Column("co2_kg", sa.Double(), comment="per unit, CO2 and CO2e; null: withdrawn"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="a factor_series"),
        sa.PrimaryKeyConstraint(
            "series_id", "hour", "recorded_at", "known_at", name=op.f("factor_value_pkey")
        ),
        comment="values of factors by the hour; rows are only ever added",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
