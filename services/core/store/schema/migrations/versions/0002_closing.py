"""Closing hours by rule: their inputs, calibrations, market-based masses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MARKET = "market-based CO2; else as co2_ug"


def upgrade() -> None:
    """Add what closing needs; masses known so far had no market-based figure of their own."""
    op.add_column(
        "emission_minute",
        sa.Column(
            "market_ug", sa.BigInteger(), nullable=False, server_default="0", comment=_MARKET
        ),
    )
    op.add_column(
        "emission_minute",
        sa.Column(
            "closing_ug",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="the minute's share of what closing its hour added to all three masses",
        ),
    )
    for table in ("emission_hour", "emission_hour_history"):
        op.add_column(
            table, sa.Column("market_ug", sa.BigInteger(), nullable=False, server_default="0")
        )
    op.add_column(
        "rolling_total",
        sa.Column("market_ug", sa.Numeric(30, 0), nullable=False, server_default="0"),
    )
    for table in ("emission_minute", "emission_hour", "emission_hour_history", "rolling_total"):
        op.execute(f"UPDATE {table} SET market_ug = co2_ug")  # noqa: S608 - names stand above
        op.alter_column(table, "market_ug", server_default=None)
    op.create_table(
        "source_hour_input",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "role",
            sa.Text(),
            nullable=False,
            comment="input of the equation, or co2 from its o2",
        ),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "average",
            sa.Numeric(),
            nullable=True,
            comment="as the rule records it, in the equation's unit",
        ),
        sa.Column("covered_ms", sa.Integer(), nullable=False),
        sa.Column(
            "operating_ms", sa.Integer(), nullable=False, comment="0: the unit did not operate"
        ),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="code of the validity policy"),
        sa.Column("verdict_reason", sa.Text(), nullable=False),
        sa.Column(
            "value",
            sa.Numeric(),
            nullable=True,
            comment="what entered the equation: the average or a substitute",
        ),
        sa.Column("code", sa.Text(), nullable=False, comment="method code of the value"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why this value"),
        sa.PrimaryKeyConstraint("source_id", "role", "hour", name=op.f("source_hour_input_pkey")),
        comment="what each judged hour's equation was given; look-backs read it",
    )
    op.create_index(
        "source_hour_input_invalid_idx",
        "source_hour_input",
        ["source_id", "hour"],
        postgresql_where=sa.text("NOT valid"),
    )
    op.create_table(
        "calibration_test",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column(
            "detail",
            sa.Text(),
            nullable=False,
            comment="each injection: reference, response, error",
        ),
        sa.PrimaryKeyConstraint("channel_id", "ended_at", name=op.f("calibration_test_pkey")),
        comment="daily calibrations, found among the readings of quality calibration",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
