"""Date what came to be known by the time that is believed, whoever writes it."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0096"
down_revision = "0099"
branch_labels = None
depends_on = None

#: Code of that revision goes on: what it writes without a time is dated as its hours are.
compatible_from = "0099"

_BELIEVED_JUMP: Final = """
CREATE OR REPLACE FUNCTION believed_jump() RETURNS interval
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT make_interval(secs => (state ->> 'clock_jump_s')::float8) FROM process_progress
        WHERE abs(extract(epoch FROM now() - progressed_at)) < 10.0
        ORDER BY abs((state ->> 'clock_jump_s')::float8) DESC NULLS LAST LIMIT 1),
        interval '0');
END $$
"""

_KNOWN_NOW: Final = """
CREATE OR REPLACE FUNCTION known_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
SELECT CASE
    WHEN coalesce(current_setting('tonne.now', true), '') = ''
    THEN statement_timestamp() - believed_jump()
    WHEN abs(extract(epoch FROM statement_timestamp())::float8
             - current_setting('tonne.now', true)::float8) > 5
    THEN to_timestamp(current_setting('tonne.now', true)::float8)
    ELSE statement_timestamp() END
$$
"""

#: What an answer as of an instant, a verification or a wait of the pipeline compares.
_COLUMNS: Final = {
    "activity_entry": ("imported_at",),
    "alert": ("changed_at",),
    "alert_transition": ("judged_at",),
    "base_year_figure": ("known_at",),
    "channel_revision": ("known_at",),
    "discarded_reading": ("discarded_at",),
    "electricity_revision": ("known_at",),
    "emission_hour": ("known_at", "opened_at"),
    "emission_hour_history": ("known_at", "superseded_at"),
    "facility": ("applied_at",),
    "facility_progress": ("changed_at",),
    "facility_version": ("applied_at",),
    "factor": ("known_from",),
    "maintenance": ("stated_at",),
    "organisation_base_figure": ("known_at",),
    "organisation_revision": ("known_at",),
    "pathway_revision": ("known_at",),
    "pollutant_mean": ("known_at",),
    "pollutant_mean_history": ("known_at",),
    "product_revision": ("known_at",),
    "quarantine": ("kept_at",),
    "reading_correction": ("corrected_at",),
    "recompute": ("requested_at",),
    "removal_revision": ("known_at",),
    "set_aside": ("since", "tried_at"),
    "source_hour_input": ("known_at",),
    "source_hour_input_history": ("known_at",),
    "source_revision": ("known_at",),
    "threshold_revision": ("known_at",),
    "touched": ("committed_at",),
}


def upgrade() -> None:
    """Make the functions, and let the columns have them; nothing that is there changes its date."""
    op.execute(_BELIEVED_JUMP)
    op.execute(_KNOWN_NOW)
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT known_now()")


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
