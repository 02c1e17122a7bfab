"""Room for packed readings: what a channel has of a day as one row, and the view of both kinds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_UNPACKED = """
CREATE OR REPLACE FUNCTION unpacked_readings() RETURNS SETOF reading LANGUAGE sql STABLE AS $$
    SELECT u.ts, u.value, u.received_at, u.channel_id, u.quality, u.time_source, u.known_at
    FROM pg_temp.unpacked_reading u
$$
"""

_STILL_PACKED = """
CREATE OR REPLACE FUNCTION still_packed() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_temp.opened_day o WHERE NOT EXISTS (
            SELECT FROM public.packed_readings p
            WHERE p.channel_id = o.channel_id AND p.day = o.day AND p.id = o.id))
    THEN
        RAISE EXCEPTION 'a packed day was opened while it was read; try again'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$
"""

_READING = """
CREATE OR REPLACE VIEW history.reading AS
SELECT ts, value, received_at, channel_id, quality, time_source, known_at
FROM (SELECT ts, value, received_at, channel_id, quality, time_source, known_at
      FROM public.reading
      UNION ALL
      SELECT ts, value, received_at, channel_id, quality, time_source, known_at
      FROM public.unpacked_readings()) r
WHERE (SELECT public.still_packed())
"""


def upgrade() -> None:
    """Nothing is packed yet."""
    op.create_table(
        "packed_readings",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="another at each packing",
        ),
        sa.Column("first_ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "known_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the first of them was known",
        ),
        sa.Column(
            "known_to",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when all of them were",
        ),
        sa.Column("channel_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "day",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="since the epoch, in UTC",
        ),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column(
            "usable",
            sa.Integer(),
            nullable=False,
            comment="those with a value, good or uncertain",
        ),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="of the rows that were packed",
        ),
        sa.Column(
            "series",
            sa.LargeBinary(),
            nullable=False,
            comment="times, values and qualities",
        ),
        sa.Column(
            "arrival",
            sa.LargeBinary(),
            nullable=False,
            comment="time sources, when received and known",
        ),
        sa.PrimaryKeyConstraint("channel_id", "day"),
        comment="what a channel has of a day, in place of its rows in reading",
    )
    op.create_table(
        "packing_horizon",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "upto_day",
            sa.Integer(),
            nullable=False,
            comment="no day from this one on was ever packed",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("id = 1", name="single"),
        comment="one row once days were packed",
    )
    op.execute(
        "ALTER TABLE packed_readings ALTER COLUMN series SET STORAGE EXTERNAL,"
        " ALTER COLUMN arrival SET STORAGE EXTERNAL"
    )
    op.execute("CREATE SCHEMA IF NOT EXISTS history")
    op.execute("SET LOCAL check_function_bodies = off")
    op.execute(_UNPACKED)
    op.execute(_STILL_PACKED)
    op.execute("SET LOCAL check_function_bodies = on")
    op.execute(_READING)


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
