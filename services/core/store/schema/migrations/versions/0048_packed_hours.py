"""Room for packed hours: what a source has of a month as one row, and the views of both kinds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_UNPACKED = """
CREATE OR REPLACE FUNCTION unpacked_hours() RETURNS SETOF emission_hour
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_hour $$
"""

_UNPACKED_VERSIONS = """
CREATE OR REPLACE FUNCTION unpacked_hour_versions() RETURNS SETOF emission_hour_history
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_hour_version $$
"""

_EMISSION_HOUR = """
CREATE VIEW history.emission_hour AS
SELECT
    source_id, hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
    covered_ms, estimated_ms, version, final, quality, code, reason, known_at, opened_at
FROM public.emission_hour
UNION ALL
SELECT
    source_id, hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
    covered_ms, estimated_ms, version, final, quality, code, reason, known_at, opened_at
FROM public.unpacked_hours()
"""

_EMISSION_HOUR_HISTORY = """
CREATE VIEW history.emission_hour_history AS
SELECT
    source_id, hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
    covered_ms, estimated_ms, version, final, quality, code, reason, known_at, superseded_at
FROM public.emission_hour_history
UNION ALL
SELECT
    source_id, hour, co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n,
    covered_ms, estimated_ms, version, final, quality, code, reason, known_at, superseded_at
FROM public.unpacked_hour_versions()
"""


def upgrade() -> None:
    """No hour is packed yet."""
    op.create_table(
        "packed_hours",
        sa.Column(
            "id",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="another at each packing",
        ),
        sa.Column("first_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "known_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the first in force was known",
        ),
        sa.Column(
            "known_to",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when all in force were",
        ),
        sa.Column("source_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "month",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="since the year 0, in UTC: 12 x year + month - 1",
        ),
        sa.Column("hours", sa.Integer(), nullable=False, comment="in force, all of them final"),
        sa.Column("versions", sa.Integer(), nullable=False, comment="that were replaced"),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="of the rows that were packed"
        ),
        sa.Column(
            "in_force", sa.LargeBinary(), nullable=False, comment="all columns of emission_hour"
        ),
        sa.Column(
            "superseded",
            sa.LargeBinary(),
            nullable=False,
            comment="all columns of emission_hour_history",
        ),
        sa.PrimaryKeyConstraint("source_id", "month"),
        comment="what a source has of a month, in place of its rows in emission_hour and its"
        " history",
    )
    op.execute(
        "ALTER TABLE packed_hours ALTER COLUMN in_force SET STORAGE EXTERNAL,"
        " ALTER COLUMN superseded SET STORAGE EXTERNAL"
    )
    op.execute("SET LOCAL check_function_bodies = off")
    op.execute(_UNPACKED)
    op.execute(_UNPACKED_VERSIONS)
    op.execute("SET LOCAL check_function_bodies = on")
    op.execute(_EMISSION_HOUR)
    op.execute(_EMISSION_HOUR_HISTORY)


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
