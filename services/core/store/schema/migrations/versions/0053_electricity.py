"""Keep what facility files state of electricity, and which certificates they name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables; no file states anything of electricity yet."""
    op.create_table(
        "electricity_revision",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "spec",
            postgresql.JSONB(),
            nullable=False,
            comment="an empty object where the file states nothing of it",
        ),
        sa.PrimaryKeyConstraint("facility_id", "known_at", name=op.f("electricity_revision_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("electricity_revision_facility_id_fkey")
        ),
        comment="everything that a facility's file ever stated of its electricity",
    )
    op.create_table(
        "certificate_use",
        sa.Column(
            "certificate",
            sa.Text(),
            nullable=False,
            comment="its number without blanks, in small letters: no other file may name it",
        ),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column(
            "since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("certificate", name=op.f("certificate_use_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("certificate_use_facility_id_fkey")
        ),
        comment="certificates that facility files name, each of one facility",
    )
    op.create_index("certificate_use_facility", "certificate_use", ["facility_id"])


def downgrade() -> None:
    """Refuse: what was stated is never thrown away by stepping back."""
    raise NotImplementedError
