"""What flows out of a site, beside what flows in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
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
    """Totals so far have none: no meter told it apart."""
    what = "what flowed out beside the activity, in its unit; it emits nothing"
    for table, comment in (
        ("emission_minute", what),
        ("emission_hour", None),
        ("emission_hour_history", None),
    ):
        column = sa.Column(
            "exported_n", sa.BigInteger(), nullable=False, server_default="0", comment=comment
        )
        op.add_column(table, column)
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
        + ", m.closing_ug, m.activity_n, m.exported_n, m.covered_ms, m.closing_ms,"
        " m.substituted_ms, m.estimated_ms FROM emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
