"""Biogenic CO2: a mass of its own beside CO2, CO2e and market-based CO2."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def _mass(name: str, per_unit: str) -> str:
    kg = f"m.activity * f.{per_unit} * 1e9"
    k = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
    return (
        f"CASE WHEN f.id IS NULL OR m.activity IS NULL THEN m.{name} ELSE"
        f" (floor({kg} * ({k} + 1) + 0.5) - floor({kg} * {k} + 0.5))::int8 END AS {name}"
    )


def upgrade() -> None:
    """Totals so far have none: no factor had any."""
    what = "CO2 from biomass, beside co2_ug and in none of the other masses"
    for table, type_, comment in (
        ("emission_minute", sa.BigInteger(), what),
        ("emission_hour", sa.BigInteger(), None),
        ("emission_hour_history", sa.BigInteger(), None),
        ("rolling_total", sa.Numeric(30, 0), None),
    ):
        _add(table, "co2_biogenic_ug", type_, comment)
    _add("following_minutes", "co2_biogenic_kg", sa.Double(), None)
    _add("factor", "co2_biogenic_kg", sa.Double(), "CO2 from biomass, in no other mass")
    op.execute(
        "COMMENT ON COLUMN emission_minute.closing_ug IS 'the minute''s share of what closing its"
        " hour added to CO2, CO2e and market-based CO2'"
    )
    op.execute("DROP VIEW minute_in_force")
    masses = ("co2_ug", "co2_kg"), ("co2e_ug", "co2e_kg"), ("market_ug", "market_kg")
    op.execute(
        "CREATE VIEW minute_in_force AS SELECT m.source_id, m.minute, "  # noqa: S608 - constants
        + ", ".join(_mass(*mass) for mass in (*masses, ("co2_biogenic_ug", "co2_biogenic_kg")))
        + ", m.closing_ug, m.activity_n, m.covered_ms, m.closing_ms, m.substituted_ms,"
        " m.estimated_ms FROM emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def _add(table: str, name: str, type_: sa.types.TypeEngine[Any], comment: str | None) -> None:
    column = sa.Column(name, type_, nullable=False, server_default="0", comment=comment)
    op.add_column(table, column)


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
