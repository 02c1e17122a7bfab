"""Keep when a source was not in its facility's file, so that nothing is missing of that time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the record, which begins with the next return of a source."""
    op.create_table(
        "source_absence",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "retired_at", name=op.f("source_absence_pkey")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("source_absence_source_id_fkey")
        ),
        comment="every time that a source was not in its facility's file and came back",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
