"""What a tick needs to know of its work, and what is known of readings that were dropped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _instant(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Add the columns and tables; nothing was dropped so far."""
    op.add_column(
        "touched",
        sa.Column(
            "seconds",
            postgresql.ARRAY(sa.SmallInteger()),
            nullable=True,
            comment="second of each minute at which its changes begin; null: at its start",
        ),
    )
    op.add_column(
        "facility_progress",
        sa.Column(
            "hours_wait",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="more hours can be closed than the last tick did",
        ),
    )
    op.create_table(
        "reading_horizon",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        _instant("horizon", nullable=False),
        sa.Column(
            "raised_in",
            sa.BigInteger(),
            nullable=False,
            comment="transaction that raised it: what began before may not know it",
        ),
        _instant("raised_at", nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("id = 1", name=op.f("reading_horizon_single_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("reading_horizon_pkey")),
        comment="one row once readings were dropped: none from before is kept or taken",
    )
    op.create_table(
        "channel_horizon",
        sa.Column("channel_id", sa.Integer(), autoincrement=False, nullable=False),
        _instant("horizon", nullable=False),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("channel_horizon_pkey")),
        comment="channels that lost readings, and up to when: what these fed is not recomputed",
    )
    op.create_table(
        "dropped_readings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chunk", sa.Text(), nullable=False),
        _instant("from_ts", nullable=False),
        _instant("to_ts", nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("retention", sa.Text(), nullable=False, comment="the setting they fell under"),
        _instant("dropped_at", nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f("dropped_readings_pkey")),
        comment="every chunk of raw readings that was dropped; rows are only ever added",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
