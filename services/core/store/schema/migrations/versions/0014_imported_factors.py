"""Imported factors: told from those that come with a release, which the next may replace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Built-in factors are known since a day; those imported so far since an instant."""
    op.add_column(
        "factor",
        sa.Column(
            "imported",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="an operator's, for every facility; a release of tonne does not replace it",
        ),
    )
    op.execute(
        "UPDATE factor SET imported = true WHERE facility_id IS NULL"
        " AND known_from <> date_trunc('day', known_from, 'UTC')"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
