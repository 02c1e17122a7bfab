"""Let minutes follow factors by the hour: a figure for each hour in one row."""

from __future__ import annotations

from alembic import op

revision = "0069"
down_revision = "0071"
branch_labels = None
depends_on = None

_MASSES = (
    ("co2_ug", "co2_kg"),
    ("co2e_ug", "co2e_kg"),
    ("market_ug", "market_kg"),
    ("co2_biogenic_ug", "co2_biogenic_kg"),
)
_K = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
_PLACE = "1 + date_part('epoch', m.minute)::int8 / 3600 - date_part('epoch', f.begins)::int8 / 3600"


def _mass(name: str, per_unit: str) -> str:
    kg = f"m.activity * f.{per_unit}[least(cardinality(f.{per_unit}), {_PLACE})] * 1e9"
    return (
        f"CASE WHEN f.id IS NULL OR m.activity IS NULL THEN m.{name} ELSE"
        f" (floor({kg} * ({_K} + 1) + 0.5) - floor({kg} * {_K} + 0.5))::int8 END AS {name}"
    )


def _view(schema: str) -> str:
    masses = ", ".join(_mass(*mass) for mass in _MASSES)
    return (
        f"CREATE VIEW {schema}.minute_in_force AS SELECT m.source_id, m.minute, {masses},"  # noqa: S608 - constants
        " m.closing_ug, m.closing_biogenic_ug, m.activity_n, m.exported_n, m.covered_ms,"
        f" m.closing_ms, m.substituted_ms, m.estimated_ms FROM {schema}.emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def upgrade() -> None:
    """Make lists of the figures: what is followed so far has one for all minutes."""
    for schema in ("history", "public"):
        op.execute(f"DROP VIEW {schema}.minute_in_force")
    op.execute("ALTER TABLE following_minutes ALTER COLUMN co2_biogenic_kg DROP DEFAULT")
    for _, per_unit in _MASSES:
        op.execute(
            f"ALTER TABLE following_minutes ALTER COLUMN {per_unit}"
            f" TYPE double precision[] USING ARRAY[{per_unit}]"
        )
    op.execute("ALTER TABLE following_minutes ALTER COLUMN co2_biogenic_kg SET DEFAULT '{0}'")
    op.execute(
        "COMMENT ON COLUMN following_minutes.co2_kg IS 'per unit of activity: one for all minutes,"
        " or one for each hour from the first minute''s on, of one UTC day; as the others'"
    )
    for schema in ("public", "history"):
        op.execute(_view(schema))


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
