"""Room for readings that are taken to be packed: read once, deleted, packed, by the day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_INSTANTS = ("first_ts", "last_ts", "known_from", "known_to")


def upgrade() -> None:
    """Nothing is taken; functions get their bodies with the rights."""
    op.create_table(
        "taken_readings",
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in _INSTANTS),
        sa.Column("channel_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("usable", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "day"),
        comment="days whose rows are deleted and that are packed in the same transaction: never a"
        " row when it ends",
    )
    op.execute(
        "CREATE FUNCTION taken_readings_are_packed() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER taken_readings_are_packed AFTER INSERT ON taken_readings"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION taken_readings_are_packed()"
    )
    op.execute("DROP FUNCTION IF EXISTS pack_readings(integer, integer, bytea, bytea, bytea)")


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
