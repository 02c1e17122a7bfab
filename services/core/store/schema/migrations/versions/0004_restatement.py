"""Restatement: method shares, when hours opened, factors applied to stored amounts, retirement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Hours that were judged before this version: what closing made of their time.
_SHARES_OF_JUDGED_HOURS = """
INSERT INTO emission_minute
    (source_id, minute, co2_ug, co2e_ug, market_ug, covered_ms, closing_ms, substituted_ms)
SELECT h.source_id, h.hour + make_interval(mins => k), 0, 0, 0, 0,
       CASE h.quality WHEN 'measured' THEN 60000 ELSE 0 END,
       CASE h.quality WHEN 'substituted' THEN 60000 ELSE 0 END
FROM emission_hour h CROSS JOIN generate_series(0, 59) AS k
WHERE h.code IS NOT NULL AND h.quality IN ('measured', 'substituted')
ON CONFLICT (source_id, minute) DO UPDATE
SET closing_ms = excluded.closing_ms - emission_minute.covered_ms,
    substituted_ms = excluded.substituted_ms
"""

# The next tick makes them again, from the minutes.
_FORGET_WINDOWS_OF_JUDGED_SOURCES = """
DELETE FROM rolling_total
WHERE source_id IN (SELECT source_id FROM emission_hour WHERE code IS NOT NULL)
"""

# Nothing says when an hour opened: its first version is the first that was known for certain.
_OPENED = """
UPDATE emission_hour h SET opened_at = coalesce(
    (SELECT p.known_at FROM emission_hour_history p
     WHERE p.source_id = h.source_id AND p.hour = h.hour ORDER BY p.version LIMIT 1), h.known_at)
"""

_RETIRED = """
UPDATE source s SET retired_at = f.applied_at FROM facility f
WHERE f.id = s.facility_id AND NOT s.active
"""


def upgrade() -> None:
    """Add the columns and fill them with what can be told of the past."""
    _extend_minutes_and_windows()
    _extend_hours_and_sources()
    op.add_column(
        "recompute",
        sa.Column(
            "step",
            sa.Text(),
            nullable=False,
            server_default="readings",
            comment="readings: all of it; factor: masses from stored amounts, hours before minutes",
        ),
    )
    op.create_check_constraint(
        op.f("recompute_step_check"), "recompute", "step IN ('readings', 'factor')"
    )
    op.create_table(
        "following_minutes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column(
            "from_minute",
            sa.Integer(),
            nullable=False,
            comment="inclusive, minutes since the epoch",
        ),
        sa.Column("to_minute", sa.Integer(), nullable=False, comment="exclusive"),
        sa.Column(
            "pieces",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="kg per unit of activity, by span of minutes",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("following_minutes_pkey")),
        comment="minutes whose hours and windows have a new factor's masses already, they not yet",
    )
    op.create_index(op.f("following_minutes_facility_id_idx"), "following_minutes", ["facility_id"])


def _extend_minutes_and_windows() -> None:
    op.add_column(
        "emission_minute",
        sa.Column(
            "activity",
            sa.Double(),
            nullable=True,
            comment="activity_n before it was rounded: factors apply to it",
        ),
    )
    op.add_column(
        "emission_minute",
        sa.Column(
            "closing_ms",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="measured time: what closing the hour made of covered_ms, less covered_ms",
        ),
    )
    op.add_column(
        "emission_minute",
        sa.Column(
            "substituted_ms",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="time for which closing the hour put a substitute",
        ),
    )
    for name in ("closing_ms", "substituted_ms"):
        op.add_column(
            "rolling_total",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
    op.execute(_SHARES_OF_JUDGED_HOURS)
    op.execute(_FORGET_WINDOWS_OF_JUDGED_SOURCES)


def _extend_hours_and_sources() -> None:
    op.add_column(
        "emission_hour",
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="when anything of this hour was known first",
        ),
    )
    op.execute(_OPENED)
    op.add_column(
        "source",
        sa.Column(
            "retired_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the facility file stopped to name it",
        ),
    )
    op.execute(_RETIRED)


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
