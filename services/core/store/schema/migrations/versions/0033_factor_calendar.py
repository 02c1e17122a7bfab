"""Factors know their other gases, density and publication, and when a newer figure is due."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Date, Double, Text

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is stored keeps its figures."""
    op.add_column(
        "factor",
        Column(
            "gases",
            Text,
            nullable=False,
            server_default="",
            comment="kg of other greenhouse gases, as HFC-32=0.5 HFC-125=0.5",
        ),
    )
    op.add_column("factor", Column("density_kg_m3", Double, comment="of the fuel as it is metered"))
    op.add_column(
        "factor",
        Column(
            "publication",
            Text,
            nullable=False,
            server_default="",
            comment="a built-in figure's, by its id in the release",
        ),
    )
    op.add_column(
        "factor",
        Column("successor_expected", Date, comment="when a newer figure is due; null: never"),
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
