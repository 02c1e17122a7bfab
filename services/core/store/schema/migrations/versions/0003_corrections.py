"""Corrections: the queue of replays, what a correction replaced, why minutes are touched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _instant(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Add the tables, the columns and what finds entries quickly."""
    op.add_column(
        "touched",
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why, and who caused it; null: readings arrived",
        ),
    )
    op.create_index(
        "touched_reason_idx",
        "touched",
        ["facility_id", "id"],
        postgresql_where=sa.text("reason IS NOT NULL"),
    )
    _extend_quarantine()
    _create_replay_request()
    _create_reading_correction()


def _extend_quarantine() -> None:
    op.add_column(
        "quarantine",
        sa.Column("quality", sa.SmallInteger(), nullable=True, comment="of one reading: as sent"),
    )
    op.add_column(
        "quarantine",
        sa.Column(
            "stored_quality", sa.SmallInteger(), nullable=True, comment="for a conflict: as stored"
        ),
    )
    op.create_index(
        "quarantine_open_arrival_idx",
        "quarantine",
        ["received_at", "id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("quarantine_message_idx", "quarantine", [sa.text("md5(payload)"), "reason"])
    op.create_index(
        "quarantine_settled_idx",
        "quarantine",
        ["settled_at"],
        postgresql_where=sa.text("state <> 'open'"),
    )


def _create_replay_request() -> None:
    op.create_table(
        "replay_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _instant("requested_at", nullable=False, server_default=sa.func.now()),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True, comment="why, in the words of whoever asked"),
        sa.Column(
            "accept", sa.Boolean(), nullable=False, comment="conflicts replace what is stored"
        ),
        sa.Column(
            "ids",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="entries of quarantine; null: all that match",
        ),
        sa.Column("facilities", postgresql.ARRAY(sa.Text()), nullable=True, comment="null: all"),
        sa.Column("devices", postgresql.ARRAY(sa.Text()), nullable=True, comment="null: all"),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=True, comment="null: all"),
        _instant("since", nullable=True, comment="arrived then or later; null: at any time"),
        _instant("until", nullable=True, comment="arrived before; null: at any time"),
        sa.Column(
            "upto_id",
            sa.BigInteger(),
            nullable=False,
            comment="newest entry when it was asked for",
        ),
        sa.Column(
            "entries",
            sa.Integer(),
            nullable=False,
            comment="how many matched when it was asked for",
        ),
        _instant(
            "after_received_at",
            nullable=True,
            comment="with after_id: the last entry that was tried",
        ),
        sa.Column("after_id", sa.BigInteger(), nullable=True),
        sa.Column("tried", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("restored", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("accepted", sa.Integer(), nullable=False, server_default="0"),
        sa.Column(
            "refused",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            server_default="{}",
            comment="entries by reason",
        ),
        _instant("finished_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("replay_request_pkey")),
        comment="what of quarantine ingest is to try again, and how far it is",
    )
    op.create_index(
        "replay_request_waiting_idx",
        "replay_request",
        ["id"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def _create_reading_correction() -> None:
    op.create_table(
        "reading_correction",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        _instant("ts", nullable=False),
        sa.Column("old_value", sa.Double(), nullable=True),
        sa.Column("old_quality", sa.SmallInteger(), nullable=False),
        sa.Column("old_time_source", sa.SmallInteger(), nullable=False),
        _instant("old_received_at", nullable=False),
        sa.Column("new_value", sa.Double(), nullable=True),
        sa.Column("new_quality", sa.SmallInteger(), nullable=False),
        _instant("corrected_at", nullable=False, server_default=sa.func.now()),
        sa.Column("corrected_by", sa.Text(), nullable=False),
        sa.Column(
            "note", sa.Text(), nullable=True, comment="why, in the words of whoever accepted it"
        ),
        sa.Column(
            "quarantine_id",
            sa.BigInteger(),
            nullable=False,
            comment="the conflict that was accepted",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("reading_correction_pkey")),
        comment="every reading that was replaced; rows are only ever added",
    )
    op.create_index(
        "reading_correction_channel_id_ts_idx", "reading_correction", ["channel_id", "ts"]
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
