"""A device id is unique within its facility: two sites may both have a ``gas-1``."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let facilities name their devices apart from each other; every device keeps its id."""
    op.drop_constraint(op.f("device_slug_key"), "device", type_="unique")
    op.create_unique_constraint(
        op.f("device_facility_id_slug_key"), "device", ["facility_id", "slug"]
    )
    op.alter_column(
        "device",
        "slug",
        comment="unique within its facility",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_comment="unique in the whole system",
    )
    op.drop_index("quarantine_alone_idx", table_name="quarantine")
    op.create_index(
        "quarantine_alone_idx",
        "quarantine",
        ["facility", "device", "ts"],
        postgresql_where=sa.text("state = 'open' AND reason = 'stands_alone'"),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
