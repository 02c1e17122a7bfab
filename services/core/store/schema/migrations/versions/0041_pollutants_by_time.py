"""Find the means of all pollutants of a source by time."""

from __future__ import annotations

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index that answers, ticks and checks read by."""
    op.create_index(
        "pollutant_mean_source_id_starts_idx", "pollutant_mean", ["source_id", "starts"]
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
