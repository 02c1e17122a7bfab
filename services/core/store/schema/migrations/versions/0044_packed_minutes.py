"""Room for packed minutes: what a source has of a day as one row, and the views of both kinds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_STILL_PACKED = """
CREATE OR REPLACE FUNCTION still_packed() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_temp.opened_day o WHERE o.kind = 1 AND NOT EXISTS (
            SELECT FROM public.packed_readings p
            WHERE p.channel_id = o.owner AND p.day = o.day AND p.id = o.id))
    THEN
        RAISE EXCEPTION 'a packed day was opened while it was read; try again'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$
"""

_UNPACKED = """
CREATE OR REPLACE FUNCTION unpacked_minutes() RETURNS SETOF emission_minute
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_minute $$
"""

_EMISSION_MINUTE = """
CREATE VIEW history.emission_minute AS
SELECT
    minute, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n, covered_ms,
    closing_ms, substituted_ms, estimated_ms, closing_ug, closing_biogenic_ug, source_id,
    activity
FROM public.emission_minute
UNION ALL
SELECT
    minute, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n, covered_ms,
    closing_ms, substituted_ms, estimated_ms, closing_ug, closing_biogenic_ug, source_id,
    activity
FROM public.unpacked_minutes()
"""

_MINUTE_IN_FORCE = """
CREATE VIEW history.minute_in_force AS SELECT m.source_id, m.minute, CASE WHEN f.id IS NULL OR
m.activity IS NULL THEN m.co2_ug ELSE (floor(m.activity * f.co2_kg * 1e9 * ((date_part('epoch',
m.minute)::int8 / 60 % 60) + 1) + 0.5) - floor(m.activity * f.co2_kg * 1e9 * (date_part('epoch',
m.minute)::int8 / 60 % 60) + 0.5))::int8 END AS co2_ug, CASE WHEN f.id IS NULL OR m.activity IS
NULL THEN m.co2e_ug ELSE (floor(m.activity * f.co2e_kg * 1e9 * ((date_part('epoch',
m.minute)::int8 / 60 % 60) + 1) + 0.5) - floor(m.activity * f.co2e_kg * 1e9 *
(date_part('epoch', m.minute)::int8 / 60 % 60) + 0.5))::int8 END AS co2e_ug, CASE WHEN f.id IS
NULL OR m.activity IS NULL THEN m.market_ug ELSE (floor(m.activity * f.market_kg * 1e9 *
((date_part('epoch', m.minute)::int8 / 60 % 60) + 1) + 0.5) - floor(m.activity * f.market_kg *
1e9 * (date_part('epoch', m.minute)::int8 / 60 % 60) + 0.5))::int8 END AS market_ug, CASE WHEN
f.id IS NULL OR m.activity IS NULL THEN m.co2_biogenic_ug ELSE (floor(m.activity *
f.co2_biogenic_kg * 1e9 * ((date_part('epoch', m.minute)::int8 / 60 % 60) + 1) + 0.5) -
floor(m.activity * f.co2_biogenic_kg * 1e9 * (date_part('epoch', m.minute)::int8 / 60 % 60) +
0.5))::int8 END AS co2_biogenic_ug, m.closing_ug, m.closing_biogenic_ug, m.activity_n,
m.exported_n, m.covered_ms, m.closing_ms, m.substituted_ms, m.estimated_ms FROM
history.emission_minute m LEFT JOIN following_minutes f ON f.source_id = m.source_id AND
m.minute >= f.begins AND m.minute < f.ends
"""


def upgrade() -> None:
    """No minute is packed yet."""
    op.create_table(
        "packed_minutes",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="another at each packing",
        ),
        sa.Column("first_minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "day",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="since the epoch, in UTC",
        ),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="of the rows that were packed",
        ),
        sa.Column(
            "minutes",
            sa.LargeBinary(),
            nullable=False,
            comment="all columns of the rows",
        ),
        sa.PrimaryKeyConstraint("source_id", "day"),
        comment="what a source has of a day, in place of its rows in emission_minute",
    )
    op.execute("ALTER TABLE packed_minutes ALTER COLUMN minutes SET STORAGE EXTERNAL")
    op.drop_constraint(op.f("packing_horizon_single_check"), "packing_horizon", type_="check")
    op.create_check_constraint(
        op.f("packing_horizon_kind_check"), "packing_horizon", "id IN (1, 2, 3)"
    )
    op.alter_column("packing_horizon", "id", comment="1: readings, 2: minutes, 3: hours")
    op.create_table_comment(
        "packing_horizon", "a row for each kind of history of which days were packed"
    )
    op.add_column(
        "following_minutes",
        sa.Column(
            "packed",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="of packed days: they follow when those are opened",
        ),
    )
    op.execute("SET LOCAL check_function_bodies = off")
    op.execute(_STILL_PACKED)
    op.execute(_UNPACKED)
    op.execute("SET LOCAL check_function_bodies = on")
    op.execute(_EMISSION_MINUTE)
    op.execute(_MINUTE_IN_FORCE)


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
