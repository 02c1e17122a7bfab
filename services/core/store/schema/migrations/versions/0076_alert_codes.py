"""Let what people say of an alert have codes: why it fired, and what was done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a comment be a code alone."""
    op.add_column(
        "alert_comment",
        sa.Column("reason", sa.Text(), comment="code of the facility file: why it fired"),
    )
    op.add_column(
        "alert_comment",
        sa.Column("action", sa.Text(), comment="code of the facility file: what was done"),
    )
    op.alter_column("alert_comment", "comment", nullable=True)
    op.create_check_constraint(
        op.f("alert_comment_says_check"),
        "alert_comment",
        "num_nonnulls(comment, reason, action) > 0",
    )


def downgrade() -> None:
    """Refuse: what was said is never thrown away by stepping back."""
    raise NotImplementedError
