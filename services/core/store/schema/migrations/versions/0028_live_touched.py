"""Live changes are told from history, so that they are claimed first."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; what waits counts as live, as it did."""
    op.execute("ALTER TABLE touched ADD COLUMN live boolean NOT NULL DEFAULT true")
    op.execute(
        "COMMENT ON COLUMN touched.live IS"
        " 'the readings were less than a day old when they arrived: claimed first'"
    )
    op.execute("DROP INDEX touched_facility_id_id_idx")
    op.execute(
        "CREATE INDEX touched_facility_id_live_id_idx ON touched (facility_id, live DESC, id)"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
