"""Channels of kind event: an amount at an instant."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a channel be a log of events."""
    op.drop_constraint(op.f("channel_kind_check"), "channel", type_="check")
    op.create_check_constraint(
        op.f("channel_kind_check"), "channel", "kind IN ('counter', 'gauge', 'interval', 'event')"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
