"""What closing an hour adds to its biogenic CO2."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
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
    """Hours so far have none: no stack had a biogenic share."""
    op.add_column(
        "emission_minute",
        sa.Column(
            "closing_biogenic_ug",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="the minute's share of what closing its hour added to biogenic CO2",
        ),
    )
    op.execute("DROP VIEW minute_in_force")
    masses = (
        ("co2_ug", "co2_kg"),
        ("co2e_ug", "co2e_kg"),
        ("market_ug", "market_kg"),
        ("co2_biogenic_ug", "co2_biogenic_kg"),
    )
    op.execute(
        "CREATE VIEW minute_in_force AS SELECT m.source_id, m.minute, "  # noqa: S608 - constants
        + ", ".join(_mass(*mass) for mass in masses)
        + ", m.closing_ug, m.closing_biogenic_ug, m.activity_n, m.exported_n, m.covered_ms,"
        " m.closing_ms, m.substituted_ms, m.estimated_ms FROM emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
