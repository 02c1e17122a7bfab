"""Keep the text of a facility file, with its comments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the text; of files applied before, what they state is kept already."""
    op.add_column(
        "facility",
        sa.Column(
            "file", sa.Text(), comment="its text as last applied, with comments; null: not kept"
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
