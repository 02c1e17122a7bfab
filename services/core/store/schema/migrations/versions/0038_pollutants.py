"""Means of pollutants beside CO2."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def _figures() -> list[sa.Column[Any]]:
    return [
        sa.Column("minutes", sa.SmallInteger(), nullable=False, comment="length of the interval"),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="code of the validity policy"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it is valid, or not"),
        sa.Column("covered_ms", sa.Integer(), nullable=False, comment="of the time of operation"),
        sa.Column(
            "operating_ms", sa.Integer(), nullable=False, comment="0: the unit did not operate"
        ),
        sa.Column(
            "inputs",
            postgresql.JSONB(),
            nullable=False,
            comment="means that entered, by what they are",
        ),
        sa.Column("unit", sa.Text(), nullable=False, comment="of the concentration's mean"),
        sa.Column("dry_mg_m3", sa.Double(), comment="mg/Nm3, dry, at the oxygen that there was"),
        sa.Column("factor", sa.Double(), comment="that leads to the reference oxygen"),
        sa.Column("mean_mg_m3", sa.Double(), comment="mg/Nm3, dry, at the reference oxygen"),
        sa.Column("mass_ug", sa.BigInteger()),
        sa.Column("mass_reason", sa.Text(), nullable=False, comment="why a valid mean has no mass"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, comment="why this version came to be"),
        sa.Column(
            "known_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
    ]


def upgrade() -> None:
    """There are none yet: no file could name a pollutant."""
    op.create_table(
        "pollutant_mean",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("pollutant", sa.Text(), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        *_figures(),
        sa.Column("final", sa.Boolean(), nullable=False, comment="false: it waits to be formed"),
        sa.PrimaryKeyConstraint(
            "source_id", "pollutant", "starts", name=op.f("pollutant_mean_pkey")
        ),
        comment="means of pollutants in the intervals that they are averaged over",
    )
    op.create_index(
        "pollutant_mean_open_idx",
        "pollutant_mean",
        ["source_id", "starts"],
        postgresql_where=sa.text("NOT final"),
    )
    op.create_table(
        "pollutant_mean_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("pollutant", sa.Text(), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        *_figures(),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pollutant_mean_history_pkey")),
        comment="means of pollutants that a restatement replaced; rows are only ever added",
    )
    op.create_index(
        "pollutant_mean_history_source_id_starts_idx",
        "pollutant_mean_history",
        ["source_id", "starts"],
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
