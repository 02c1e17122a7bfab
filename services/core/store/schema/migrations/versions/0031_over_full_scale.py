"""Full scale: a recorded input tells its method code, and what was read above full scale."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing lay above full scale before this version: no channel had one."""
    op.add_column(
        "source_hour_input",
        sa.Column(
            "measured_code",
            sa.Text(),
            nullable=False,
            server_default="01",
            comment="method code of the average, where it is valid",
        ),
    )
    op.add_column(
        "source_hour_input",
        sa.Column(
            "least_known",
            sa.Numeric(),
            nullable=True,
            comment="the average with readings above full scale; null: there are none",
        ),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
