"""Let the home cell know which cell each facility is for, so that no id is given twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0093"
down_revision = "0096"
branch_labels = None
depends_on = None

#: It only adds.
compatible_from = None


def upgrade() -> None:
    """Add the table, with the facilities that are here where this is a cell."""
    op.create_table(
        "cell_facility",
        sa.Column("slug", sa.Text(), nullable=False, comment="the facility's id"),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("slug", name="cell_facility_pkey"),
        comment="which cell a facility is for: at home of all, elsewhere of those that are for it",
    )
    op.execute(
        "INSERT INTO cell_facility (slug, cell)"
        " SELECT f.slug, c.name FROM facility f CROSS JOIN cell c WHERE c.here"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
