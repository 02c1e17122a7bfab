"""Let the schema say which older versions of tonne may go on working on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0095"
branch_labels = None
depends_on = None

#: Code before it works on its own schema alone.
compatible_from = "0099"


def upgrade() -> None:
    """Add the table; its row is written once all migrations are applied."""
    op.create_table(
        "schema_compatibility",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "compatible_from",
            sa.Text(),
            nullable=False,
            comment="revision of the oldest code that works on this schema",
        ),
        sa.CheckConstraint("id = 1", name="single"),
        sa.PrimaryKeyConstraint("id", name=op.f("schema_compatibility_pkey")),
        comment="one row: which older versions of tonne the schema lets work on",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
