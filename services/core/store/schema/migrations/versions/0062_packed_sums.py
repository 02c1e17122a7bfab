"""Keep each sum of hours as one value too, which answers read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

_PACKED = """
int4send(source_id) || timestamptz_send(begins) || timestamptz_send(ends)
|| int8send(co2_ug) || int8send(co2e_ug) || int8send(market_ug) || int8send(co2_biogenic_ug)
|| int8send(coalesce(activity_n, 0)) || int8send(exported_n)
|| int8send(covered_ms) || int8send(measured_ms) || int8send(substituted_ms)
|| int8send(estimated_ms) || boolsend(activity_n IS NOT NULL) || int4send(version)
|| int2send(hours) || int2send(known_hours) || int2send(voided_hours) || int2send(missing_hours)
|| int2send(partial_hours) || int2send(substituted_hours)
"""


def upgrade() -> None:
    """PostgreSQL makes it of the other columns, of the sums that there are too."""
    for table in ("emission_day", "emission_month"):
        op.add_column(
            table,
            sa.Column(
                "packed",
                sa.LargeBinary(),
                sa.Computed(_PACKED, persisted=True),
                nullable=False,
                comment="all of it as one value, for answers",
            ),
        )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
