"""Let an imported activity that is wrong be withdrawn: it stays, and counts no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; nothing was withdrawn yet."""
    op.create_table(
        "activity_withdrawal",
        sa.Column("facility_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="of the entry"),
        sa.Column(
            "withdrawn_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("withdrawn_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("facility_id", "id", name=op.f("activity_withdrawal_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id", "id"],
            ["activity_entry.facility_id", "activity_entry.id"],
            name=op.f("activity_withdrawal_facility_id_fkey"),
        ),
        comment="entries that were wrong, and count no more; rows are only ever added",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
