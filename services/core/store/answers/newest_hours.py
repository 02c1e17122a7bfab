"""Stored sums, and the hours after the last of them, read by one statement.

Mostly sums leave nothing else: what is older is final and summed. Each question more would take as
long as to find the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, LiteralString

import numpy as np

from services.core.store.answers.buckets import Buckets
from services.core.store.answers.hour_columns import AGGREGATES, HourColumns, received
from services.core.store.answers.summed_periods import StoredSums, are_months
from services.core.store.database.arrays import binary_row
from services.core.store.emissions.hours_as_known import COLUMNS
from services.core.store.packing import opened
from services.core.store.packing.days import begin
from services.core.timeline.instants import to_us

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: How many local days up to the end of an answer, or to now, hours are looked for: those of the
#: last day are not final yet, and those of the one before it, shortly after midnight.
_DAYS: Final = 3
#: Sources whose hours of these days may be in memory at a time.
_MAX_SOURCES: Final = 2_500

#: The sums of one source from ``{since}`` on.
_OF_SOURCE: LiteralString = """
CROSS JOIN LATERAL (
    SELECT min(begins) AS since, max(ends) AS upto, string_agg(packed, '') AS packed FROM {table}
    WHERE source_id = its_id AND begins >= {since} AND begins < %(last)s AND ends <= %(last)s)"""
_OF_MONTHS: LiteralString = (
    _OF_SOURCE.replace("{table}", "emission_month").replace("{since}", "%(first)s") + " m"
)
_NO_MONTHS: LiteralString = """
CROSS JOIN (VALUES (NULL::timestamptz, NULL::timestamptz, NULL::bytea)) m(since, upto, packed)"""
_OF_DAYS: LiteralString = (
    _OF_SOURCE.replace("{table}", "emission_day").replace("{since}", "coalesce(m.upto, %(first)s)")
    + " d"
)


def _statement(months: LiteralString) -> LiteralString:
    """Return the SQL of months, days, sources with earlier hours, packing horizon and hours.

    Days are those after the last month of a source, hours those after its last day; earlier hours
    lie before the first of both. Each source is looked up by itself, whatever the planner expects
    of the others, and each of its tables once.
    """
    return f"""
SELECT string_agg(m.packed, ''), string_agg(d.packed, ''),
       array_agg(its_id) FILTER (WHERE x.since > %(first)s AND (
            EXISTS (SELECT FROM emission_hour h WHERE h.source_id = its_id
                    AND h.hour >= %(first)s AND h.hour < x.since)
            OR EXISTS (SELECT FROM packed_hours p WHERE p.source_id = its_id
                       AND p.last_hour >= %(first)s AND p.first_hour < x.since))),
       (SELECT upto_day FROM packing_horizon WHERE id = {opened.HOURS.id}),
       string_agg(h.packed, ''), string_agg(h.codes, E'\\n')
FROM unnest(%(sources)s::int4[]) AS u(its_id){months}{_OF_DAYS}
CROSS JOIN LATERAL (
    SELECT coalesce(m.since, d.since, %(hours_since)s) AS since,
           greatest(d.upto, m.upto, %(hours_since)s) AS upto) x
CROSS JOIN LATERAL (
    SELECT {AGGREGATES} FROM (
        SELECT {COLUMNS} FROM emission_hour
        WHERE source_id = its_id AND hour >= x.upto AND hour < %(last)s AND hour <= %(minute)s) k
) h(packed, codes)
"""  # noqa: S608 - constants


_BY_MONTH: Final[LiteralString] = _statement(_OF_MONTHS)
_BY_DAY: Final[LiteralString] = _statement(_NO_MONTHS)


async def sums_and_newest_hours(
    connection: AsyncConnection,
    source_ids: Sequence[int],
    buckets: Buckets,
    days: Buckets,
    *,
    now: datetime,
) -> tuple[StoredSums, HourColumns] | None:
    """Read what buckets are made of; ``days``: the local days of all buckets.

    None: there are more hours that no sum has.
    """
    if len(source_ids) > _MAX_SOURCES:
        return None
    # the last bucket may end long after now
    newest_day = int(days.index_of(np.array([to_us(now)]))[0])
    hours_since = days[max(0, newest_day + 1 - _DAYS)].begins
    months, of_days, earlier, packed_upto, *hours = await binary_row(
        connection,
        _BY_MONTH if are_months(buckets) else _BY_DAY,
        {
            "sources": np.array(source_ids, dtype=np.int32),
            "first": buckets[0].begins,
            "last": buckets[-1].ends,
            "hours_since": hours_since,
            "minute": now.replace(second=0, microsecond=0),
        },
    )
    sums = StoredSums(source_ids, days)
    sums.take(months, buckets)
    sums.take(of_days, buckets)
    if not sums.leave_only(hours_since, earlier or ()):
        return None
    if packed_upto is not None and hours_since < begin(packed_upto) and not sums.is_whole:
        # some may be packed
        return None
    return sums, received(*hours)
