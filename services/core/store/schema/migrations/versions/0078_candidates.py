"""Note devices that nobody registered, with their newest messages, until somebody adopts them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0078"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; none is noted yet."""
    op.create_table(
        "device_candidate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="what tells devices apart"),
        sa.Column(
            "family", sa.Text(), nullable=False, comment="how its topics and payloads are read"
        ),
        sa.Column("label", sa.Text(), nullable=False, comment="as people call it"),
        sa.Column(
            "facility", sa.Text(), nullable=True, comment="that its topics name, or that adopted it"
        ),
        sa.Column(
            "device", sa.Text(), nullable=True, comment="that its topics name, or that it became"
        ),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "messages",
            sa.BigInteger(),
            nullable=False,
            comment="with numbers, that were looked at",
        ),
        sa.Column(
            "let_go", sa.BigInteger(), nullable=False, comment="of them, those no longer stored"
        ),
        sa.Column(
            "learned",
            postgresql.JSONB(),
            nullable=False,
            comment="each number's course, and its announcement",
        ),
        sa.Column(
            "worth",
            sa.SmallInteger(),
            nullable=False,
            comment="the least worth makes room for others",
        ),
        sa.Column(
            "quarantine_id",
            sa.BigInteger(),
            nullable=True,
            comment="the last entry that was learned from",
        ),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column(
            "topics",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="of an adopted device: those that it is heard at",
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column(
            "handed_over",
            sa.Integer(),
            nullable=True,
            comment="messages that became replays; null: not yet done",
        ),
        sa.CheckConstraint(
            "state IN ('open', 'adopted', 'dismissed')", name=op.f("device_candidate_state_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("device_candidate_pkey")),
        sa.UniqueConstraint("key", name=op.f("device_candidate_key_key")),
        comment="devices that are heard and in no facility file, and what they could be",
    )
    op.create_table(
        "candidate_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["device_candidate.id"],
            name=op.f("candidate_message_candidate_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("candidate_message_pkey")),
        comment="the newest messages of candidates, to be replayed when they are adopted",
    )
    op.create_index(
        "candidate_message_candidate_id_id_idx", "candidate_message", ["candidate_id", "id"]
    )


def downgrade() -> None:
    """Refuse: what was recorded is never thrown away by stepping back."""
    raise NotImplementedError
