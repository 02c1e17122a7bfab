"""What flowed out in rolling and to-date windows, beside what flowed in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add up what minutes have; only meters that tell export apart have any."""
    op.add_column(
        "rolling_total",
        sa.Column("exported_n", sa.Numeric(30, 0), nullable=False, server_default="0"),
    )
    op.execute(
        """
        UPDATE rolling_total r
        SET exported_n = (
            SELECT coalesce(sum(m.exported_n), 0) FROM emission_minute m
            WHERE m.source_id = r.source_id AND m.minute BETWEEN r.since AND r.upto)
        WHERE EXISTS (
            SELECT FROM source_revision v
            WHERE v.source_id = r.source_id AND v.spec ->> 'direction' IN ('export', 'both'))
        """
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
