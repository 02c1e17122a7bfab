"""Keep activities that are imported, so that none counts twice and each shows its document."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; nothing was imported yet."""
    op.create_table(
        "activity_entry",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="number of the bill or entry"),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False, comment="of the facility's time zone"),
        sa.Column("end_day", sa.Date(), nullable=False, comment="exclusive"),
        sa.Column(
            "amount",
            sa.Double(),
            nullable=False,
            comment="in unit; its readings are a part a day",
        ),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True, comment="where it is shown"),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("facility_id", "id", name=op.f("activity_entry_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("activity_entry_facility_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("activity_entry_channel_id_fkey")
        ),
        comment="amounts of periods that were imported; rows are only ever added",
    )
    op.create_index(op.f("activity_entry_channel_id_idx"), "activity_entry", ["channel_id"])


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
