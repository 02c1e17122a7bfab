"""An index for each tick's question whether anything that late is in the archive alone."""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """There are few rows, or none."""
    op.create_index("archived_span_last_uncomputed_idx", "archived_span", ["last_uncomputed"])


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
