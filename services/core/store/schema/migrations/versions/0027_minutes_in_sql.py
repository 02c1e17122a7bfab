"""Minutes since the epoch to instants and back, in SQL."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two functions."""
    op.execute(
        "CREATE FUNCTION minute_start(minute bigint) RETURNS timestamptz"
        " LANGUAGE sql IMMUTABLE PARALLEL SAFE"
        " RETURN to_timestamp(minute * 60::double precision)"
    )
    op.execute(
        "CREATE FUNCTION minute_of(instant timestamptz) RETURNS integer"
        " LANGUAGE sql IMMUTABLE PARALLEL SAFE"
        " RETURN floor(date_part('epoch', instant - timestamptz 'epoch') / 60)::integer"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
