"""Room for sums of hours by local day and month, and the triggers that remove outdated ones."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

#: What they do is created with the rights, in the same transaction.
_FUNCTIONS = (
    "sums_follow_hours",
    "sums_follow_moved_hour",
    "sums_follow_truncation",
    "sums_follow_timezone",
)

_TRIGGERS = (
    (
        "CREATE TRIGGER sums_follow_inserts AFTER INSERT ON emission_hour"
        " REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_updates AFTER UPDATE ON emission_hour"
        " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_deletes AFTER DELETE ON emission_hour"
        " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_moves AFTER UPDATE OF source_id, hour ON emission_hour"
        " FOR EACH ROW EXECUTE FUNCTION sums_follow_moved_hour()"
    ),
    (
        "CREATE TRIGGER sums_follow_truncation AFTER TRUNCATE ON emission_hour"
        " FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_truncation()"
    ),
    (
        "CREATE TRIGGER sums_follow_timezone AFTER UPDATE OF timezone ON facility"
        " FOR EACH ROW WHEN (OLD.timezone IS DISTINCT FROM NEW.timezone)"
        " EXECUTE FUNCTION sums_follow_timezone()"
    ),
)


def _columns() -> list[sa.Column[Any]]:
    known = "of the hours that are known"
    amounts = ("co2_ug", "co2e_ug", "market_ug", "co2_biogenic_ug", "activity_n", "exported_n")
    times = ("covered_ms", "measured_ms", "substituted_ms", "estimated_ms")
    later = ("co2_biogenic_ug", "exported_n", "substituted_ms", "estimated_ms")
    counts = {
        "hours": "that there are, all of them final",
        "known_hours": "with a figure",
        "voided_hours": "closed without a value",
        "missing_hours": "of this quality",
        "partial_hours": "of this quality",
        "substituted_hours": "of this quality",
    }
    return [
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False, comment="its first hour"),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False, comment="exclusive"),
        *(
            sa.Column(
                name,
                sa.BigInteger(),
                nullable=name == "activity_n",
                server_default="0" if name in later else None,
                comment=known,
            )
            for name in amounts
        ),
        *(
            sa.Column(
                name,
                sa.BigInteger(),
                nullable=False,
                server_default="0" if name in later else None,
            )
            for name in times
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="the highest one of its hours"),
        *(
            sa.Column(name, sa.SmallInteger(), nullable=False, comment=comment)
            for name, comment in counts.items()
        ),
    ]


def upgrade() -> None:
    """Nothing is summed yet: aggregators do that when they have time."""
    for span, hours in (("day", 48), ("month", 768)):
        op.create_table(
            f"emission_{span}",
            *_columns(),
            sa.PrimaryKeyConstraint("source_id", "begins"),
            sa.CheckConstraint(
                f"ends > begins AND ends <= begins + interval '{hours} hours'",
                name=op.f(f"emission_{span}_length_check"),
            ),
            comment=f"sums of the whole hours of a {span} of the facility's time zone, or no row",
        )
    for name in _FUNCTIONS:
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NULL; END $$"
        )
    for statement in _TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
