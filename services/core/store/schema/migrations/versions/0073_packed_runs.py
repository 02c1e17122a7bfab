"""Let a packed row of readings be a run of days, and make way for functions that know of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take a day for a run of one; no row is written. Functions come anew with the rights."""
    for table in ("packed_readings", "taken_readings"):
        op.add_column(
            table,
            sa.Column(
                "days",
                sa.SmallInteger(),
                nullable=False,
                server_default="1",
                comment="from the first to the last that has readings",
            ),
        )
        op.alter_column(
            table, "day", comment="the first, since the epoch, in UTC", existing_comment=None
        )
    op.add_column(
        "taken_readings",
        sa.Column(
            "archived",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="of packed rows that are joined: all of them are in the archive",
        ),
    )
    op.create_table_comment(
        "packed_readings",
        "what a channel has of a day, or of a run of days in one month, in place of its rows in"
        " reading",
    )
    op.create_index(
        "packed_readings_short_idx",
        "packed_readings",
        ["channel_id", "day"],
        postgresql_where=sa.text("readings <= 750 AND days < 28 AND series IS NOT NULL"),
    )
    op.execute("DROP FUNCTION IF EXISTS take_readings(integer, integer, integer, timestamptz)")
    op.execute(
        "DROP FUNCTION IF EXISTS add_packed_readings(integer[], integer[], timestamptz[],"
        " timestamptz[], integer[], integer[], timestamptz, bytea[], bytea[], bytea[])"
    )
    op.execute(
        "DROP FUNCTION IF EXISTS note_archive(integer, date, text, text, bigint, bytea, bigint,"
        " text, integer[], integer[], bytea[])"
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
