"""Let whoever writes see whether what processes report of the clock is of this moment."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0088"
down_revision = "0093"
branch_labels = None
depends_on = None

#: It only adds.
compatible_from = None

_CLOCK_IS_REPORTED: Final = """
CREATE OR REPLACE FUNCTION clock_is_reported() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
            SELECT FROM process_progress
            WHERE abs(extract(epoch FROM now() - progressed_at)) < 10.0 AND state ? 'clock_jump_s')
        OR NOT EXISTS (
            SELECT FROM process_progress p JOIN pg_stat_activity a
                ON split_part(a.application_name, ' ', 1) = 'tonne.' || p.process
            WHERE a.datname = current_database() AND p.state ? 'clock_jump_s'
              AND split_part(a.application_name, ' ', 1)
                  <> split_part(current_setting('application_name'), ' ', 1));
END $$
"""


def upgrade() -> None:
    """Make the function."""
    op.execute(_CLOCK_IS_REPORTED)


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
