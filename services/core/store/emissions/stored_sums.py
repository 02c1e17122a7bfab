"""Sums of hours by local day and month, each stored once all its hours are final.

Who sums has the facility alone (:func:`take`) in the caller's transaction. Whoever changes an hour
removes its sums (:mod:`services.core.store.schema.sum_triggers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, LiteralString

import psycopg

from services.core.store.database import locks
from services.core.store.emissions import hour_history, hour_sums, hours_as_known
from services.core.store.schema.sum_tables import LONGEST
from services.core.timeline.local_days import Month, Period

Table = Literal["emission_day", "emission_month"]

_FACILITIES: Final = """
SELECT f.id, f.timezone, min(h.hour), max(h.hour)
FROM facility f JOIN source s ON s.facility_id = f.id
CROSS JOIN LATERAL (
    (SELECT hour FROM emission_hour WHERE source_id = s.id ORDER BY hour LIMIT 1)
    UNION ALL
    (SELECT hour FROM emission_hour WHERE source_id = s.id ORDER BY hour DESC LIMIT 1)
    UNION ALL
    (SELECT first_hour FROM packed_hours WHERE source_id = s.id ORDER BY month LIMIT 1)
    UNION ALL
    (SELECT last_hour FROM packed_hours WHERE source_id = s.id ORDER BY month DESC LIMIT 1)) h
WHERE NOT EXISTS (SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
GROUP BY f.id ORDER BY f.id
"""

_PERIODS: Final = (
    "unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[])"
    " WITH ORDINALITY AS x(begins, ends, n)"
)
# Whether there are hours of a period. Those of a packed month may lie around it: nothing is summed
# then.
_HAS_HOURS: Final = """
(EXISTS (SELECT FROM emission_hour h WHERE h.source_id = s.id
         AND h.hour >= x.begins AND h.hour < x.ends)
 OR EXISTS (SELECT FROM packed_hours p WHERE p.source_id = s.id
            AND p.last_hour >= x.begins AND p.first_hour < x.ends))
"""
# What waits to be computed again would only be summed twice. What is packed is final.
_IS_SETTLED: Final = f"""
NOT EXISTS (SELECT FROM recompute r WHERE r.source_id = s.id
            AND minute_start(r.from_minute) < x.ends AND minute_start(r.to_minute) > x.begins)
AND {_HAS_HOURS}
AND NOT EXISTS (SELECT FROM emission_hour h WHERE h.source_id = s.id AND NOT h.final
                AND h.hour >= x.begins AND h.hour < x.ends)
"""  # noqa: S608 - constants

_INCOMPLETE: Final = f"""
SELECT DISTINCT x.n FROM source s CROSS JOIN {_PERIODS}
WHERE s.facility_id = %(facility)s
  AND NOT EXISTS (SELECT FROM emission_month e WHERE e.source_id = s.id AND e.begins = x.begins
                  AND e.ends = x.ends)
  AND {_HAS_HOURS}
ORDER BY 1
"""  # noqa: S608 - constants

_ABSENT: LiteralString = """
SELECT s.id, min(x.begins), max(x.ends)
FROM source s CROSS JOIN {periods}
WHERE s.facility_id = %(facility)s
  AND NOT EXISTS (SELECT FROM {table} e WHERE e.source_id = s.id AND e.begins = x.begins
                  AND e.ends = x.ends)
  AND {is_settled}
GROUP BY s.id ORDER BY s.id
"""

_ALONE: Final = """
SELECT pg_try_advisory_xact_lock(%(facility_lock)s, %(facility)s)
   AND pg_try_advisory_xact_lock(%(sums_lock)s, %(facility)s)
"""
_TIMEZONE: Final = "SELECT timezone FROM facility WHERE id = %s"

_VALUES: LiteralString = f"ends, {hour_sums.COLUMNS}"

# Between an end and the next beginning is no period. OFFSET: what is made of an hour is made once.
# No sum lies across another one: the rules of a zone may have been corrected since that was stored.
# That of a month which is not over takes the place of a shorter one.
_FILL: LiteralString = f"""
WITH p AS (
    SELECT * FROM unnest(%(sources)s::int4[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
        AS p(source_id, first, last)
), v AS (
    SELECT k.*, {hour_sums.IS_KNOWN} AS known,
           width_bucket(k.hour, %(boundaries)s::timestamptz[]) AS edge
    FROM ({
    hours_as_known.by_method(
        f"SELECT h.* FROM p CROSS JOIN LATERAL (SELECT {hours_as_known.COLUMNS} FROM emission_hour"
        " WHERE source_id = p.source_id AND hour >= p.first AND hour < p.last) h"
    )
}) k OFFSET 0
), x AS (
    SELECT v.source_id, v.edge, {hour_sums.OF_HOURS} FROM v GROUP BY 1, 2
)
INSERT INTO {{table}} (source_id, begins, ends, {hour_sums.COLUMNS})
SELECT x.source_id, s.begins, s.ends, {hour_sums.COLUMNS}
FROM x JOIN {_PERIODS.replace("AS x(", "AS s(")} ON 2 * s.n - 1 = x.edge
WHERE x.final AND {hour_sums.FITS}
  AND NOT EXISTS (SELECT FROM {{table}} e WHERE e.source_id = x.source_id
                  AND e.begins < s.ends AND e.begins > s.begins - interval '{{longest}}'
                  AND e.ends > s.begins AND (e.begins < s.begins OR e.ends > s.ends))
ON CONFLICT (source_id, begins) DO UPDATE
SET ({_VALUES}) = ROW ({", ".join(f"excluded.{name}" for name in _VALUES.split(", "))})
RETURNING hours
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class SummedFacility:
    """A facility that has hours, the first and the last of which begin at these instants."""

    id: int
    timezone: str
    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AbsentSums:
    """Settled sums that a source has not, all of which lie in ``first .. last``."""

    source_id: int
    first: datetime
    last: datetime

    @property
    def hours(self) -> int:
        """Return how many hours are read for them."""
        return int((self.last - self.first).total_seconds()) // 3600


def facilities(connection: psycopg.Connection[Any]) -> list[SummedFacility]:
    """Read the facilities that have hours."""
    return [
        SummedFacility(id=facility_id, timezone=timezone, first=first, last=last)
        for facility_id, timezone, first, last in connection.execute(_FACILITIES)
    ]


def incomplete(
    connection: psycopg.Connection[Any], facility_id: int, months: Sequence[Month]
) -> list[Month]:
    """Return the months that have hours, not all of which are in a stored sum of the month."""
    rows = connection.execute(_INCOMPLETE, {"facility": facility_id, **_columns(months)})
    return [months[number - 1] for (number,) in rows]


def absent(
    connection: psycopg.Connection[Any], table: Table, facility_id: int, periods: Sequence[Period]
) -> list[AbsentSums]:
    """Find the sources that have hours in the periods, all final, and no sums of them."""
    statement = _ABSENT.format(table=table, periods=_PERIODS, is_settled=_IS_SETTLED)
    return [
        AbsentSums(source_id=source_id, first=first, last=last)
        for source_id, first, last in connection.execute(
            statement, {"facility": facility_id, **_columns(periods)}
        )
    ]


def take(connection: psycopg.Connection[Any], facility: SummedFacility) -> bool:
    """Have a facility alone until the transaction ends.

    False: somebody else needs it just now, or its time zone is another one.
    """
    row = connection.execute(
        _ALONE,
        {
            "facility_lock": locks.FACILITY,
            "sums_lock": locks.SUMS,
            "facility": facility.id,
        },
    ).fetchone()
    if row is None or not row[0]:
        return False
    return connection.execute(_TIMEZONE, (facility.id,)).fetchone() == (facility.timezone,)


def fill(
    connection: psycopg.Connection[Any],
    table: Table,
    periods: Sequence[Period],
    sums: Sequence[AbsentSums],
) -> tuple[int, int]:
    """Store the sums that are absent; the caller has the facility. Returns sums and their hours.

    Nothing is stored of a period with an hour that is not final, or with an amount that is too
    great for its column.
    """
    if not sums:
        return 0, 0
    # all of them are of the periods of one month: others hold nothing more to open
    first, last = min(s.first for s in sums), max(s.last for s in sums)
    hour_history.open_span(connection, [of_source.source_id for of_source in sums], first, last)
    rows = connection.execute(
        _FILL.format(table=table, longest=LONGEST[table]),
        {
            "sources": [of_source.source_id for of_source in sums],
            "firsts": [of_source.first for of_source in sums],
            "lasts": [of_source.last for of_source in sums],
            "boundaries": [edge for period in periods for edge in (period.begins, period.ends)],
            **_columns(periods),
        },
    ).fetchall()
    return len(rows), sum(row[0] for row in rows)


def _columns(periods: Sequence[Period]) -> dict[str, list[datetime]]:
    return {
        "begins": [period.begins for period in periods],
        "ends": [period.ends for period in periods],
    }
