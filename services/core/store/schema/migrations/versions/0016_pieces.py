"""Pieces of work: what did not fit into a tick waits, what cannot be done is set aside."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing waits or is set aside yet."""
    op.alter_column(
        "recompute",
        "step",
        comment="readings: all of it; factor: masses from stored amounts, hours before minutes;"
        " rest: what did not fit into a tick, newest first",
        existing_type=sa.Text(),
        existing_nullable=False,
        existing_server_default="readings",
    )
    op.drop_constraint(op.f("recompute_step_check"), "recompute", type_="check")
    op.create_check_constraint(
        op.f("recompute_step_check"), "recompute", "step IN ('readings', 'factor', 'rest')"
    )
    op.create_table_comment(
        "recompute",
        "spans to compute again after a change of configuration or factor, or later on",
        existing_comment="spans to compute again after a change of configuration or factor",
    )
    op.create_index(
        "recompute_rest_idx",
        "recompute",
        ["facility_id", "to_minute"],
        postgresql_where=sa.text("step = 'rest'"),
    )
    _set_aside()


def _set_aside() -> None:
    def column(name: str, type_: sa.types.TypeEngine[Any], comment: str) -> sa.Column[Any]:
        return sa.Column(name, type_, nullable=False, comment=comment)

    op.create_table(
        "set_aside",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        column("service", sa.Text(), "whose work it is: aggregator or notify"),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        column("kind", sa.Text(), "what it is a piece of: facility, source, ..."),
        column("name", sa.Text(), "its name within the facility; empty: all of it"),
        column("reason", sa.Text(), "what is wrong and what to do"),
        sa.Column(
            "since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "tried", sa.Integer(), nullable=False, server_default="1", comment="how often, in vain"
        ),
        sa.Column(
            "tried_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column("retry_at", sa.DateTime(timezone=True), comment="null: not by itself"),
        sa.Column(
            "revision", sa.BigInteger(), comment="of the registry that it was last tried with"
        ),
        sa.Column(
            "from_minute",
            sa.Integer(),
            comment="of what goes on but for some minutes: the first one",
        ),
        sa.Column("to_minute", sa.Integer(), comment="and the last one, minutes since the epoch"),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("set_aside_facility_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("set_aside_pkey")),
        sa.UniqueConstraint(
            "service",
            "facility_id",
            "kind",
            "name",
            name=op.f("set_aside_service_facility_id_kind_name_key"),
        ),
        comment="pieces of work that cannot be done, so that the others are",
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
