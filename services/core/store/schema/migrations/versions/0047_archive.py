"""Room for the archive: its files, and what of packed readings is in it alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is archived yet."""
    op.alter_column(
        "packed_readings",
        "series",
        nullable=True,
        comment="times, values and qualities; null: in the archive alone",
    )
    op.alter_column(
        "packed_readings",
        "arrival",
        nullable=True,
        comment="time sources, when received and known; null: in the archive alone",
    )
    op.add_column(
        "packed_readings",
        sa.Column(
            "archived",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="these very readings are in the facility's archive of the month",
        ),
    )
    op.create_check_constraint(
        "somewhere",
        "packed_readings",
        "CASE WHEN archived THEN (series IS NULL) = (arrival IS NULL)"
        " ELSE series IS NOT NULL AND arrival IS NOT NULL END",
    )
    op.create_table(
        "archive_file",
        sa.Column("facility_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("month", sa.Date(), nullable=False, comment="its first day, in UTC"),
        sa.Column("place", sa.Text(), nullable=False, comment="folder or bucket"),
        sa.Column("path", sa.Text(), nullable=False, comment="below the place"),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False, comment="of the file"),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False, comment="days of channels"),
        sa.Column("tonne", sa.Text(), nullable=False, comment="the version that wrote it"),
        sa.Column(
            "archived_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.Column(
            "removed_at",
            sa.DateTime(timezone=True),
            comment="since when its days are in the archive alone, but for those near others",
        ),
        sa.PrimaryKeyConstraint("facility_id", "month"),
        comment="the file of a facility's month in the archive",
    )
    op.create_table(
        "archived_span",
        sa.Column("channel_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column(
            "first_uncomputed",
            sa.Integer(),
            nullable=False,
            comment="day whose minutes miss readings",
        ),
        sa.Column("last_uncomputed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "first_day"),
        comment="days, in UTC, in which no reading is taken: they or those near are archived away",
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
