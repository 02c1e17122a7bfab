"""Facilities that are retired: their history stays, or is purged by the database's owner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def _instant(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Add what says that one is retired, and by whom; none is, and no total changes."""
    op.add_column("facility", _instant("retired_at", comment="null: it is in force"))
    op.alter_column(
        "source",
        "retired_at",
        comment="when the facility file stopped to name it, or the facility was retired with it",
        existing_type=sa.DateTime(timezone=True),
        existing_nullable=True,
        existing_comment="when the facility file stopped to name it",
    )
    op.add_column(
        "facility_progress",
        _instant(
            "settled_at",
            comment="when all of a retired facility was closed;"
            " from before it was retired: not yet",
        ),
    )
    op.add_column(
        "alert",
        sa.Column("ended_by", sa.Text(), comment="what ended it, where its values did not"),
    )
    op.create_table(
        "facility_retirement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        _instant("retired_at", nullable=False),
        sa.Column("retired_by", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why, in the words of whoever retired it",
        ),
        _instant(
            "returned_at",
            nullable=True,
            comment="when its file was applied again; null: it was not",
        ),
        sa.Column("returned_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("facility_retirement_pkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("facility_retirement_facility_id_fkey")
        ),
        comment="every time that a facility was retired",
    )
    op.create_index(
        op.f("facility_retirement_facility_id_idx"), "facility_retirement", ["facility_id"]
    )
    op.create_table(
        "facility_purge",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "facility",
            sa.Text(),
            nullable=False,
            comment="its id; the name may be used again since",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        _instant("retired_at", nullable=False),
        _instant("begun_at", nullable=False, server_default=sa.func.now()),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="why, in the words of whoever purged it",
        ),
        sa.Column("removed", JSONB(), nullable=False, server_default="{}", comment="rows by table"),
        _instant("finished_at", nullable=True, comment="null: something of it is still there"),
        sa.PrimaryKeyConstraint("id", name=op.f("facility_purge_pkey")),
        comment="facilities whose data were deleted for ever;"
        " written by the database's owner alone",
    )
    op.create_index(
        "facility_purge_unfinished_idx",
        "facility_purge",
        ["facility"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
