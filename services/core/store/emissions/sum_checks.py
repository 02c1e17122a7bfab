"""Finds stored sums of days and months that are not what their hours come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg

from services.core.store.emissions import hour_history, hour_sums, hours_as_known
from services.core.store.emissions.ledger_checks import differing

#: No sum is of a longer time.
_LONGEST: Final = timedelta(days=32)

_COLUMNS: Final = tuple(hour_sums.COLUMNS.split(", "))

_SUMS: LiteralString = " UNION ALL ".join(
    f"SELECT '{period}' AS period, source_id, begins, ends, {hour_sums.COLUMNS},"  # noqa: S608
    " lag(ends) OVER (ORDER BY begins) > begins AS overlaps"
    f" FROM emission_{period} WHERE source_id = %(source)s"
    for period in ("day", "month")
)

_HOURS: LiteralString = hours_as_known.by_method(
    f"SELECT {hours_as_known.COLUMNS} FROM emission_hour"  # noqa: S608
    " WHERE source_id = s.source_id AND hour >= s.begins AND hour < s.ends"
)

_CHECK: LiteralString = f"""
SELECT s.period, s.begins, s.co2_ug, x.co2_ug, x.final IS NOT TRUE, coalesce(s.overlaps, false),
       ARRAY[{", ".join(f"s.{name} IS DISTINCT FROM x.{name}" for name in _COLUMNS)}]
FROM ({_SUMS}) s CROSS JOIN LATERAL (
    SELECT {hour_sums.OF_HOURS} FROM (SELECT *, {hour_sums.IS_KNOWN} AS known FROM ({_HOURS}) h) v
) x
WHERE (%(first)s::timestamptz IS NULL OR s.ends > %(first)s)
  AND (%(end)s::timestamptz IS NULL OR s.begins < %(end)s)
ORDER BY s.begins, s.period
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedSum:
    """A stored sum whose hours were added up again; masses in micrograms."""

    #: day or month
    period: str
    begins: datetime
    #: None: of none of its hours anything is known
    stored_ug: int | None
    sum_ug: int | None
    #: columns that are not those of its hours
    figures: tuple[str, ...]
    #: why it should not be there though it may be the sum of its hours; empty: it may
    detail: str


def sums_against_hours(
    connection: psycopg.Connection[Any],
    source_id: int,
    first: datetime | None,
    end: datetime | None,
) -> Iterator[CheckedSum]:
    """Add up the hours of the stored sums of a source that overlap ``first .. end``; None: all."""
    # a sum that begins or ends with the span has hours beyond it
    hour_history.open_span(
        connection,
        [source_id],
        hour_history.ALWAYS if first is None else first - _LONGEST,
        hour_history.FOREVER if end is None else end + _LONGEST,
    )
    for period, begins, stored, sum_ug, is_open, overlaps, unequal in connection.execute(
        _CHECK, {"source": source_id, "first": first, "end": end}
    ):
        detail = ""
        if is_open:
            detail = "an hour of it is not final, or there is none"
        elif overlaps:
            detail = "it begins before the one before it ends"
        yield CheckedSum(
            period=period,
            begins=begins,
            stored_ug=stored,
            sum_ug=None if sum_ug is None else int(sum_ug),
            figures=differing(_COLUMNS, unequal),
            detail=detail,
        )
