"""Readings that a channel's own rule replaces, readings that are taken away, lone readings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0015"
branch_labels = None
depends_on = None


def _instant(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Add what records them; no reading and no total changes."""
    op.alter_column(
        "reading_correction",
        "quarantine_id",
        nullable=True,
        comment="the conflict that was accepted; null: by the channel's own rule",
        existing_type=sa.BigInteger(),
        existing_comment="the conflict that was accepted",
    )
    op.create_table_comment(
        "reading_correction",
        "every reading that another replaced or came too late for; rows are only ever added",
        existing_comment="every reading that was replaced; rows are only ever added",
    )
    op.create_table(
        "discarded_reading",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        _instant("ts", nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("time_source", sa.SmallInteger(), nullable=False),
        _instant("received_at", nullable=False),
        _instant("discarded_at", nullable=False, server_default=sa.func.now()),
        sa.Column("discarded_by", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="why, in the words of whoever discarded it",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("discarded_reading_pkey")),
        comment="every reading that was taken away; rows are only ever added",
    )
    op.create_index(
        "discarded_reading_ts_channel_id_idx", "discarded_reading", ["ts", "channel_id"]
    )
    # entries that are there already were written at a time that nobody knows
    op.add_column(
        "quarantine",
        _instant(
            "kept_at",
            nullable=True,
            comment="when it was written, by this clock; null: before that was kept",
        ),
    )
    op.alter_column("quarantine", "kept_at", server_default=sa.func.now())
    op.create_index(
        "quarantine_alone_idx",
        "quarantine",
        ["device", "ts"],
        postgresql_where=sa.text("state = 'open' AND reason = 'stands_alone'"),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
