"""Estimated time: where a register's readings lie too far apart to say when anything flowed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _mass(name: str) -> str:
    kg = f"m.activity * f.{name}_kg * 1e9"
    k = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
    return (
        f"CASE WHEN f.id IS NULL OR m.activity IS NULL THEN m.{name}_ug ELSE"
        f" (floor({kg} * ({k} + 1) + 0.5) - floor({kg} * {k} + 0.5))::int8 END AS {name}_ug"
    )


def upgrade() -> None:
    """Minutes so far are told apart when they are computed again."""
    for table, type_, comment in (
        (
            "emission_minute",
            sa.Integer(),
            "of covered_ms, what a register's reading covers from too long before",
        ),
        ("emission_hour", sa.Integer(), None),
        ("emission_hour_history", sa.Integer(), None),
        ("rolling_total", sa.BigInteger(), None),
    ):
        op.add_column(
            table,
            sa.Column("estimated_ms", type_, nullable=False, server_default="0", comment=comment),
        )
    op.execute(
        "CREATE OR REPLACE VIEW minute_in_force AS"  # noqa: S608 - constants
        f" SELECT m.source_id, m.minute, {_mass('co2')}, {_mass('co2e')}, {_mass('market')},"
        " m.closing_ug, m.activity_n, m.covered_ms, m.closing_ms, m.substituted_ms, m.estimated_ms"
        " FROM emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
