"""Make way for ``note_archive`` without a result, which nobody read."""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop it; it is created anew with the rights, in the same transaction."""
    op.execute(
        "DROP FUNCTION IF EXISTS note_archive(integer, date, text, text, bigint, bytea, bigint,"
        " text, integer[], integer[], bytea[])"
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
