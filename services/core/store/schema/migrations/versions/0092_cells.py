"""Let facilities live in several databases: which one this is, what left it and what came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0092"
down_revision = "0091"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables; without a row in them there is this database alone."""
    op.create_table(
        "cell",
        sa.Column(
            "number",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="what numbers of rows leave when they are divided by 64",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("here", sa.Boolean(), nullable=False, comment="it is this database"),
        sa.Column("added_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("number >= 0 AND number < 64", name="number"),
        sa.PrimaryKeyConstraint("number", name="cell_pkey"),
        sa.UniqueConstraint("name", name="cell_name_key"),
        comment="databases that facilities live in; none: there is this one alone",
    )
    op.create_index("cell_here_idx", "cell", ["here"], unique=True, postgresql_where="here")
    _departures()
    _arrivals()


def _departures() -> None:
    op.create_table(
        "cell_departure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility", sa.Text(), nullable=False, comment="its id"),
        sa.Column("to_cell", sa.Text(), nullable=False),
        sa.Column("begun_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column(
            "rows_of",
            postgresql.JSONB(),
            nullable=False,
            comment="numbers by which its rows are known",
        ),
        sa.Column(
            "topics",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="its devices' own, which go on here",
        ),
        sa.Column("left_at", _INSTANT, comment="null: it lives here"),
        sa.Column(
            "proof",
            postgresql.JSONB(),
            comment="by table: rows, and the sum of their hashes, as they left",
        ),
        sa.Column("finished_at", _INSTANT, comment="when its rows here were deleted"),
        sa.PrimaryKeyConstraint("id", name="cell_departure_pkey"),
        comment="facilities that left for another cell, or are about to",
    )
    op.create_index(
        "cell_departure_unfinished_idx",
        "cell_departure",
        ["facility"],
        unique=True,
        postgresql_where="finished_at IS NULL",
    )


def _arrivals() -> None:
    op.create_table(
        "cell_arrival",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility", sa.Text(), nullable=False, comment="its id"),
        sa.Column("from_cell", sa.Text(), nullable=False),
        sa.Column("begun_at", _INSTANT, server_default=sa.func.now(), nullable=False),
        sa.Column(
            "verified_hours",
            sa.BigInteger(),
            comment="hours computed again before it was switched",
        ),
        sa.Column("staged_at", _INSTANT, comment="all of it is here, and waits for the old cell"),
        sa.Column("arrived_at", _INSTANT, comment="null: it does not live here yet"),
        sa.Column(
            "proof",
            postgresql.JSONB(),
            comment="by table: rows, and the sum of their hashes, as they came",
        ),
        sa.PrimaryKeyConstraint("id", name="cell_arrival_pkey"),
        comment="facilities that came from another cell, or are about to",
    )
    op.create_index(
        "cell_arrival_unfinished_idx",
        "cell_arrival",
        ["facility"],
        unique=True,
        postgresql_where="arrived_at IS NULL",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
