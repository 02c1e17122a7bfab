"""Date the means of pollutants, and what entered hours before, by a clock that was put right."""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_REDATE_HOURS = """
CREATE OR REPLACE FUNCTION redate_hours(of_sources integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
    redated bigint;
    of_history bigint;
    of_means bigint;
    of_past_means bigint;
BEGIN
    UPDATE emission_hour
    SET known_at = least(known_at, present), opened_at = least(opened_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, opened_at) > present;
    GET DIAGNOSTICS redated = ROW_COUNT;
    UPDATE emission_hour_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    GET DIAGNOSTICS of_history = ROW_COUNT;
    UPDATE source_hour_input SET known_at = present
    WHERE source_id = ANY(of_sources) AND known_at > present;
    UPDATE source_hour_input_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    UPDATE pollutant_mean SET known_at = present
    WHERE source_id = ANY(of_sources) AND known_at > present;
    GET DIAGNOSTICS of_means = ROW_COUNT;
    UPDATE pollutant_mean_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    GET DIAGNOSTICS of_past_means = ROW_COUNT;
    RETURN redated + of_history + of_means + of_past_means;
END $$
"""


def upgrade() -> None:
    """Make the function anew."""
    op.execute(_REDATE_HOURS)


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
