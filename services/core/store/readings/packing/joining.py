"""Short packed rows of a channel, side by side in one month, made one row once the month is old.

A day is packed when it is old enough, so that its room is free; a month's days are joined when no
other day of it is to come. Nothing becomes rows of ``reading`` for it, and what is in the archive
stays noted as such. A row in the archive alone stays as it is, and so does what lies beside one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from services.core.store.packing.days import NOTHING_PACKED, PackedDay, Settled, begin
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.candidates import OfChannel, settled_days
from services.core.store.readings.packing.columns import ReadingColumns, digest
from services.core.store.readings.packing.days import PACK, damaged, unpacked
from services.core.store.schema.packed_runs import MOST_READINGS, SHORT

#: Short rows that are looked at in one statement.
_SLICE: Final = 2_000

#: Short rows, whether each may be joined with the row that follows it, and its month's days.
_WALK: Final = f"""
SELECT s.channel_id, s.day, n.joins, m.first - date '1970-01-01', m.stop - date '1970-01-01'
FROM (SELECT channel_id, day, readings, archived FROM packed_readings
      WHERE {SHORT} AND (channel_id, day) > (%(channel)s, %(day)s)
      ORDER BY channel_id, day LIMIT %(rows)s) s
CROSS JOIN LATERAL (
    SELECT date_trunc('month', (date '1970-01-01' + s.day)::timestamp) AS month) t
CROSS JOIN LATERAL (
    SELECT t.month::date AS first, (t.month + interval '1 month')::date AS stop) m
LEFT JOIN LATERAL (
    SELECT {SHORT} AND archived = s.archived AND readings + s.readings <= {MOST_READINGS}
           AND NOT EXISTS (
               SELECT FROM archived_span a WHERE a.channel_id = s.channel_id
               AND a.first_day <= p.day AND a.last_day >= s.day) AS joins
    FROM packed_readings p
    WHERE channel_id = s.channel_id AND day > s.day AND day < m.stop - date '1970-01-01'
      AND m.stop <= (%(before)s::timestamptz AT TIME ZONE 'UTC')::date
      AND first_ts >= coalesce((SELECT horizon FROM reading_horizon), '-infinity')
    ORDER BY day LIMIT 1) n ON true
ORDER BY 1, 2
"""  # noqa: S608 - constants

#: What a channel has packed of a month; whether it is short, and may be joined with others.
_ROWS: Final = f"""
SELECT day, days, readings, archived, digest, series, arrival,
       {SHORT} AND NOT EXISTS (
           SELECT FROM archived_span a WHERE a.channel_id = p.channel_id
           AND a.first_day < p.day + p.days AND a.last_day >= p.day) AS short
FROM packed_readings p
WHERE channel_id = %s AND day >= %s AND day < %s ORDER BY day
"""  # noqa: S608 - constants

#: Days that are rows.
_LOOSE: Final = """
SELECT DISTINCT floor(extract(epoch FROM ts) / 86400)::integer FROM public.reading
WHERE channel_id = %s AND ts >= %s AND ts < %s
"""

_TAKE: Final = "SELECT take_packed_readings(%s, %s::int4[], %b::bytea[])"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    day: int
    days: int
    readings: int
    archived: bool
    digest: bytes
    series: bytes
    arrival: bytes
    short: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Month(OfChannel):
    """A month of a channel with short rows side by side; its days from one to before another."""

    day: int
    stop: int

    def settled(
        self,
        connection: psycopg.Connection[Any],
        quiet_since: datetime,  # noqa: ARG002 - nothing came to what is packed
    ) -> Settled | None:
        """Return what joins its rows once all that the month feeds is final and computed."""
        facility_id = settled_days(connection, self.channel_id, self.day, self.stop - 1)
        if facility_id is None:
            return None
        return Settled(facility_id=facility_id, pack=partial(join, connection, self))


def walk(connection: psycopg.Connection[Any], before: datetime) -> Iterator[Month]:
    """Yield all months with rows to join that end at ``before`` (midnight UTC) or earlier."""
    key = {"channel": -(2**31), "day": -(2**31), "before": before, "rows": _SLICE}
    while rows := connection.execute(_WALK, key).fetchall():
        months = {(channel, first, stop) for channel, _, joins, first, stop in rows if joins}
        for channel, first, stop in sorted(months):
            yield Month(channel_id=channel, day=first, stop=stop)
        key["channel"], key["day"], *_ = rows[-1]


def join(connection: psycopg.Connection[Any], month: Month) -> PackedDay:
    """Join what can be of a month, in the caller's transaction, who holds the facility.

    :raises psycopg.errors.LockNotAvailable: somebody writes old readings of the facility.
    :raises psycopg.errors.SerializationFailure: somebody changed them all the same.
    :raises DamagedDayError: one of the rows is not what was packed.
    """
    bounds = (month.channel_id, month.day, month.stop)
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        rows = cursor.execute(_ROWS, bounds, binary=True).fetchall()
    instants = (month.channel_id, begin(month.day), begin(month.stop))
    # planned anew: only a plan for this very time leaves other chunks out
    loose = {day for (day,) in connection.execute(_LOOSE, instants, prepare=False)}
    for run in _runs(rows, loose):
        if len(run) > 1:
            _join(connection, month.channel_id, run)
    return NOTHING_PACKED


def _runs(rows: Sequence[_Row], loose: set[int]) -> list[list[_Row]]:
    """Return the rows in order, those together that become one."""
    runs: list[list[_Row]] = []
    for row in rows:
        run = runs[-1] if runs else []
        if (
            run
            and run[-1].short
            and row.short
            and run[-1].archived == row.archived
            and sum(part.readings for part in run) + row.readings <= MOST_READINGS
            and loose.isdisjoint(range(run[-1].day + run[-1].days, row.day))
        ):
            run.append(row)
        else:
            runs.append([row])
    return runs


def _join(connection: psycopg.Connection[Any], channel_id: int, run: Sequence[_Row]) -> None:
    parts = [unpacked(channel_id, row.day, row.days, row.series, row.arrival) for row in run]
    sent = [part.sent() for part in parts]
    for row, its_sent in zip(run, sent, strict=True):
        if digest(its_sent) != row.digest:
            raise damaged(channel_id, row.day, "they are not what was packed")
    connection.execute(_TAKE, (channel_id, [row.day for row in run], sent))
    series, arrival = codec.pack(ReadingColumns.joined(parts))
    connection.execute(PACK, (channel_id, [run[0].day], [series], [arrival]), binary=True)
