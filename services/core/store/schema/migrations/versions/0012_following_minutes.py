"""Minutes that follow a new factor, and the view that shows them so; what channels were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None


def _mass(name: str) -> str:
    kg = f"m.activity * f.{name}_kg * 1e9"
    k = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
    return (
        f"CASE WHEN f.id IS NULL OR m.activity IS NULL THEN m.{name}_ug ELSE"
        f" (floor({kg} * ({k} + 1) + 0.5) - floor({kg} * {k} + 0.5))::int8 END AS {name}_ug"
    )


def upgrade() -> None:
    """Begin with what channels are now: nobody kept what they were, and no minutes followed."""
    op.drop_table("following_minutes")
    op.create_table(
        "following_minutes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False, comment="first minute"),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False, comment="exclusive"),
        sa.Column(
            "co2_kg", sa.Double(), nullable=False, comment="per unit of activity, as the others"
        ),
        sa.Column("co2e_kg", sa.Double(), nullable=False),
        sa.Column("market_kg", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("following_minutes_pkey")),
        comment="minutes whose hours and windows have a new factor's masses already, they not yet",
    )
    for name in ("facility_id", "source_id"):
        op.create_index(op.f(f"following_minutes_{name}_idx"), "following_minutes", [name])
    op.create_table(
        "channel_revision",
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column(
            "known_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
        ),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("channel_revision_channel_id_fkey")
        ),
        sa.PrimaryKeyConstraint("channel_id", "known_at", name=op.f("channel_revision_pkey")),
        comment="every configuration a channel ever had, for totals as they were known",
    )
    op.execute("INSERT INTO channel_revision (channel_id, spec) SELECT id, spec FROM channel")
    op.execute(
        "CREATE VIEW minute_in_force AS SELECT m.source_id, m.minute,"  # noqa: S608 - constants
        f" {_mass('co2')}, {_mass('co2e')}, {_mass('market')}, m.closing_ug, m.activity_n,"
        " m.covered_ms, m.closing_ms, m.substituted_ms"
        " FROM emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
