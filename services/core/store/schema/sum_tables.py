"""The part of the schema that is sums of hours: by the local day and month of their facility.

A stored sum is exact, or it is not stored: whatever changes an hour removes the sums that hold it,
in the same transaction (:mod:`.sum_triggers`). Answers take what is stored, and hours for the rest.
They read thousands of sums, and to put one together of its columns takes seven times as long as to
find it: so each has itself as one value too, which PostgreSQL makes of the others.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
)

from services.core.store.database.arrays import PackedRows
from services.core.store.schema.figures import METHOD_TIMES, SUMMED_AMOUNTS, TIMES, names
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

#: Times that were kept later: hours from before say 0, and so do their sums.
_LATER = names(time for time in METHOD_TIMES if time.later)

#: The hours that a sum counts, by column.
_COUNTS: Final[dict[LiteralString, str]] = {
    "hours": "that there are, all of them final",
    "known_hours": "with a figure",
    "voided_hours": "closed without a value",
    "missing_hours": "of this quality",
    "partial_hours": "of this quality",
    "substituted_hours": "of this quality",
}

#: A sum as answers read it.
PACKED_SUMS: Final = PackedRows(
    source_id="int4",
    begins="timestamptz",
    ends="timestamptz",
    **dict.fromkeys((*names(SUMMED_AMOUNTS), *TIMES), "int8"),
    has_activity="bool",
    version="int4",
    **dict.fromkeys(_COUNTS, "int2"),
)
#: What makes it of the columns of its row.
PACKED_SUM: Final[LiteralString] = PACKED_SUMS.row_sql(
    "source_id",
    "begins",
    "ends",
    *(f"coalesce({figure}, 0)" if figure.nullable else figure.name for figure in SUMMED_AMOUNTS),
    *TIMES,
    "activity_n IS NOT NULL",
    "version",
    *_COUNTS,
)


def _columns() -> list[Column[Any]]:
    return [
        Column("source_id", Integer, primary_key=True),
        Column("begins", _instant, primary_key=True, comment="its first hour"),
        Column("ends", _instant, nullable=False, comment="exclusive"),
        *(
            Column(
                amount.name,
                BigInteger,
                nullable=amount.nullable,
                server_default="0" if amount.later else None,
                comment="of the hours that are known",
            )
            for amount in SUMMED_AMOUNTS
        ),
        *(
            Column(time, BigInteger, nullable=False, server_default="0" if time in _LATER else None)
            for time in TIMES
        ),
        Column("version", Integer, nullable=False, comment="the highest one of its hours"),
        *(
            Column(name, SmallInteger, nullable=False, comment=comment)
            for name, comment in _COUNTS.items()
        ),
        Column(
            "packed",
            LargeBinary,
            Computed(PACKED_SUM, persisted=True),
            nullable=False,
            comment="all of it as one value, for answers",
        ),
    ]


emission_day = Table(
    "emission_day",
    metadata,
    *_columns(),
    # removing a sum looks for those that begin so long before an hour
    CheckConstraint("ends > begins AND ends <= begins + interval '48 hours'", name="length"),
    comment="sums of the whole hours of a day of the facility's time zone, or no row",
)

emission_month = Table(
    "emission_month",
    metadata,
    *_columns(),
    CheckConstraint("ends > begins AND ends <= begins + interval '768 hours'", name="length"),
    comment="sums of the whole hours of a month of the facility's time zone, or no row",
)

#: Who looks for the sums that hold an instant looks at those that begin so long before it.
LONGEST = {emission_day.name: "48 hours", emission_month.name: "768 hours"}
