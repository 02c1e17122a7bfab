"""Gaps in what is known of sources, closed by data that came after them.

Whole days of which everything is known, as their stored sums tell, are read no closer; of the rest
hours are read, and for gaps to the minute those minutes whose hour is known in part. So what an
answer costs follows from how much is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np

from services.core.store.answers.buckets import Integers
from services.core.store.database.arrays import PackedRows, binary_row, binary_rows
from services.core.store.emissions.hour_packing.months import months_of, unpacked
from services.core.store.emissions.packing.days import unpacked as unpacked_day
from services.core.timeline.instants import (
    HOUR_MS,
    HOUR_US,
    MICROSECOND,
    MINUTE_US,
    from_us,
    to_us,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: A message that came late is no gap.
LEAST_GAP: Final = timedelta(minutes=5)

_PERIODS: Final = PackedRows(source_id="int4", begins="timestamptz", ends="timestamptz")
_HOURS: Final = PackedRows(source_id="int4", hour="timestamptz", covered_ms="int8")
_MINUTES: Final = PackedRows(source_id="int4", minute="timestamptz")

_WHOLE_DAYS: LiteralString = f"""
SELECT {_PERIODS.sql("source_id", "begins", "ends")} FROM emission_day
WHERE source_id = ANY(%(sources)s) AND begins >= %(first)s AND ends <= %(last)s
  AND covered_ms = extract(epoch FROM ends - begins) * 1000
"""  # noqa: S608 - constants

_ASKED: LiteralString = """
unnest(%(sources)s::int4[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
    AS x(its_id, first, last)
"""

#: Rows and packed months by one statement: it sees each hour once.
_KNOWN_HOURS: LiteralString = f"""
SELECT h.*, m.* FROM (
    SELECT {_HOURS.sql("h.source_id", "h.hour", "h.covered_ms")} FROM {_ASKED}
    JOIN emission_hour h ON h.source_id = its_id AND h.hour >= x.first AND h.hour < x.last
    WHERE h.covered_ms > 0) h
CROSS JOIN (
    SELECT array_agg(p.source_id), array_agg(p.month), array_agg(p.in_force) FROM packed_hours p
    WHERE (p.source_id, p.month) IN (
        SELECT q.source_id, q.month FROM {_ASKED}
        JOIN packed_hours q
            ON q.source_id = its_id AND q.last_hour >= x.first AND q.first_hour < x.last)) m
"""  # noqa: S608 - constants

#: Likewise, for whole hours: no hour lies in two days of packing.
_KNOWN_MINUTES: LiteralString = f"""
SELECT m.*, d.* FROM (
    SELECT {_MINUTES.sql("m.source_id", "m.minute")} FROM {_ASKED}
    JOIN public.emission_minute m
        ON m.source_id = its_id AND m.minute >= x.first AND m.minute < x.last
    WHERE m.covered_ms > 0) m
CROSS JOIN (
    SELECT array_agg(p.source_id), array_agg(p.day), array_agg(p.minutes) FROM packed_minutes p
    WHERE (p.source_id, p.day) IN (SELECT its_id, minute_of(x.first) / 1440 FROM {_ASKED})) d
"""  # noqa: S608 - constants


def _nearest(side: LiteralString, order: LiteralString) -> LiteralString:
    """Return the SQL of the known hour of each source, and the packed month, next to an instant."""
    return f"""
SELECT its_id, h.hour, p.month, p.in_force
FROM unnest(%(sources)s::int4[], %(bounds)s::timestamptz[], %(months)s::int4[])
     AS x(its_id, bound, beyond)
LEFT JOIN LATERAL (
    SELECT hour FROM emission_hour
    WHERE source_id = its_id AND hour {side} x.bound AND covered_ms > 0
    ORDER BY hour {order} LIMIT 1) h ON true
LEFT JOIN LATERAL (
    SELECT month, in_force FROM packed_hours
    WHERE source_id = its_id AND {"first_hour" if side == "<" else "last_hour"} {side} x.bound
      AND month {side.replace("=", "")} x.beyond
    ORDER BY month {order} LIMIT 1) p ON true
"""  # noqa: S608 - constants


_BEFORE: Final[LiteralString] = _nearest("<", "DESC")
_AFTER: Final[LiteralString] = _nearest(">=", "ASC")


@dataclass(frozen=True, kw_only=True, slots=True)
class DataGap:
    """A time of which nothing is known of a source."""

    source_id: int
    begins: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Known:
    """Spans of sources that are known, each in whole or in part, in any order."""

    source_id: Integers
    begins_us: Integers
    ends_us: Integers
    #: whether all of each is known
    whole: Any

    @staticmethod
    def joined(parts: Iterable[_Known]) -> _Known:
        all_parts = list(parts)
        return _Known(
            source_id=np.concatenate([part.source_id for part in all_parts]),
            begins_us=np.concatenate([part.begins_us for part in all_parts]),
            ends_us=np.concatenate([part.ends_us for part in all_parts]),
            whole=np.concatenate([part.whole for part in all_parts]),
        )

    @staticmethod
    def hours(source_id: Integers, hour_us: Integers, covered_ms: Integers) -> _Known:
        return _Known(
            source_id=source_id.astype(np.int64),
            begins_us=hour_us,
            ends_us=hour_us + HOUR_US,
            whole=covered_ms >= HOUR_MS,
        )

    def where(self, chosen: Any) -> _Known:
        return _Known(
            source_id=self.source_id[chosen],
            begins_us=self.begins_us[chosen],
            ends_us=self.ends_us[chosen],
            whole=self.whole[chosen],
        )

    def in_order(self) -> _Known:
        """Return them by source and time."""
        return self.where(np.lexsort((self.begins_us, self.source_id)))

    def between(self) -> tuple[Integers, Integers, Integers]:
        """Return source, begin and end of what lies between spans; they are in order."""
        apart = (self.source_id[1:] == self.source_id[:-1]) & (
            self.begins_us[1:] > self.ends_us[:-1]
        )
        return (
            self.source_id[1:][apart],
            self.ends_us[:-1][apart],
            self.begins_us[1:][apart],
        )


async def closed_gaps(
    connection: AsyncConnection,
    source_ids: Sequence[int],
    begins: datetime,
    ends: datetime,
    *,
    to_the_minute: bool,
) -> list[DataGap]:
    """Read the gaps that share time with a span, from where each begins to where it ends.

    ``to_the_minute``: those of five minutes or more; otherwise those of whole hours.
    """
    if not source_ids:
        return []
    first_us = to_us(begins) // HOUR_US * HOUR_US
    last_us = -(-to_us(ends) // HOUR_US) * HOUR_US
    sources = np.unique(np.array(source_ids, dtype=np.int64))
    days = await _whole_days(connection, sources, first_us, last_us)
    hours = await _known_hours(connection, *_rests(sources, days, first_us, last_us))
    known = _Known.joined([days, hours])
    known = _Known.joined([known, await _around(connection, sources, known, first_us, last_us)])
    if to_the_minute:
        parts = await _known_minutes(connection, known.where(~known.whole))
        known = _Known.joined([known.where(known.whole), parts])
    source_id, begins_us, ends_us = known.in_order().between()
    least_us = LEAST_GAP // MICROSECOND
    overlaps = (
        (begins_us < to_us(ends)) & (ends_us > to_us(begins)) & (ends_us - begins_us >= least_us)
    )
    return [
        DataGap(source_id=source, begins=from_us(since), ends=from_us(until))
        for source, since, until in zip(
            source_id[overlaps].tolist(),
            begins_us[overlaps].tolist(),
            ends_us[overlaps].tolist(),
            strict=True,
        )
    ]


async def _whole_days(
    connection: AsyncConnection, sources: Integers, first_us: int, last_us: int
) -> _Known:
    (packed,) = await binary_row(
        connection,
        _WHOLE_DAYS,
        {
            "sources": sources.astype(np.int32),
            "first": from_us(first_us),
            "last": from_us(last_us),
        },
    )
    columns = _PERIODS.columns(packed)
    source_id = columns["source_id"].astype(np.int64)
    return _Known(
        source_id=source_id,
        begins_us=columns["begins"],
        ends_us=columns["ends"],
        whole=np.ones(source_id.size, dtype=np.bool_),
    )


def _rests(
    sources: Integers, days: _Known, first_us: int, last_us: int
) -> tuple[Integers, Integers, Integers]:
    """Return source, begin and end of what days leave of a span."""
    nothing = np.zeros(sources.size, dtype=np.bool_)
    before = np.full(sources.size, first_us)
    after = np.full(sources.size, last_us)
    bounds = [
        _Known(source_id=sources, begins_us=instants, ends_us=instants, whole=nothing)
        for instants in (before, after)
    ]
    return _Known.joined([bounds[0], days, bounds[1]]).in_order().between()


async def _known_hours(
    connection: AsyncConnection, source_id: Integers, begins_us: Integers, ends_us: Integers
) -> _Known:
    """Read the hours with data that begin within spans of sources, which share no hour."""
    packed, owners, months, blobs = await binary_row(
        connection, _KNOWN_HOURS, _period_parameters(source_id, begins_us, ends_us)
    )
    columns = _HOURS.columns(packed)
    parts = [_Known.hours(columns["source_id"], columns["hour"], columns["covered_ms"])]
    for owner, month, blob in zip(owners or (), months or (), blobs or (), strict=True):
        of_month = _hours_of(owner, month, blob)
        asked = source_id == owner
        place = np.searchsorted(begins_us[asked], of_month.begins_us, side="right") - 1
        is_in = (place >= 0) & (of_month.begins_us < ends_us[asked][place])
        parts.append(of_month.where(is_in))
    return _Known.joined(parts)


def _hours_of(source_id: int, month: int, blob: bytes) -> _Known:
    """Return the hours with data of a packed month."""
    hours = unpacked(source_id, month, bytes(blob), dated=False)
    covered_ms = hours.figures["covered_ms"]
    of_month = _Known.hours(np.full(len(hours), source_id), hours.hour * HOUR_US, covered_ms)
    return of_month.where(covered_ms > 0)


async def _around(
    connection: AsyncConnection, sources: Integers, known: _Known, first_us: int, last_us: int
) -> _Known:
    """Read the known hour before a span, and the one after it, of sources with a gap at its ends.

    Also where the first or last hour is known in part: its minutes may not reach to the end.
    """
    begins_known = known.source_id[(known.begins_us == first_us) & known.whole]
    ends_known = known.source_id[(known.ends_us == last_us) & known.whole]
    after = await _next_to(connection, _AFTER, np.setdiff1d(sources, ends_known), last_us)
    # a gap ends with data: what has none in the span and none after it has no gap here
    ended = np.union1d(known.source_id, after.source_id)
    before = await _next_to(
        connection, _BEFORE, np.setdiff1d(np.intersect1d(sources, ended), begins_known), first_us
    )
    return _Known.joined([before, after])


async def _next_to(
    connection: AsyncConnection, statement: LiteralString, sources: Integers, bound_us: int
) -> _Known:
    """Read the known hour of each source that is nearest to an instant, on one side."""
    is_before = statement is _BEFORE
    month = int(months_of(np.array([bound_us // HOUR_US]))[0]) + (1 if is_before else -1)
    beyond = dict.fromkeys(sources.tolist(), month)
    nearest: dict[int, int] = {}
    while beyond:
        rows = await binary_rows(
            connection,
            statement,
            {
                "sources": np.array(list(beyond), dtype=np.int32),
                "bounds": np.full(len(beyond), bound_us).astype("datetime64[us]"),
                "months": np.array(list(beyond.values()), dtype=np.int32),
            },
        )
        beyond = {}
        for source_id, hour, month, blob in rows:
            hours = [] if hour is None else [to_us(hour)]
            if blob is not None:
                of_month = _hours_of(source_id, month, blob).begins_us
                hours += of_month[(of_month < bound_us) == is_before].tolist()
            if hours:
                nearest[source_id] = max(hours) if is_before else min(hours)
            elif month is not None:
                beyond[source_id] = month
    hour_us = np.array(list(nearest.values()), dtype=np.int64)
    # whether all of them is known tells only the hour itself
    return _Known.hours(np.array(list(nearest), dtype=np.int64), hour_us, np.zeros_like(hour_us))


async def _known_minutes(connection: AsyncConnection, hours: _Known) -> _Known:
    """Read the minutes with data of hours of sources."""
    hours = hours.in_order()
    if not hours.source_id.size:
        return hours
    packed, owners, days, blobs = await binary_row(
        connection,
        _KNOWN_MINUTES,
        _period_parameters(hours.source_id, hours.begins_us, hours.ends_us),
    )
    columns = _MINUTES.columns(packed)
    sources, minutes_us = [columns["source_id"].astype(np.int64)], [columns["minute"]]
    for owner, day, blob in zip(owners or (), days or (), blobs or (), strict=True):
        minutes = unpacked_day(owner, day, bytes(blob), ("covered_ms",))
        its_hours = hours.begins_us[hours.source_id == owner] // HOUR_US
        is_known = minutes.figures["covered_ms"] > 0
        minute = minutes.minute[is_known & np.isin(minutes.minute // 60, its_hours)]
        sources.append(np.full(minute.size, owner, dtype=np.int64))
        minutes_us.append(minute * MINUTE_US)
    begins_us = np.concatenate(minutes_us)
    return _Known(
        source_id=np.concatenate(sources),
        begins_us=begins_us,
        ends_us=begins_us + MINUTE_US,
        whole=np.ones(begins_us.size, dtype=np.bool_),
    )


def _period_parameters(
    source_id: Integers, begins_us: Integers, ends_us: Integers
) -> dict[str, Any]:
    return {
        "sources": source_id.astype(np.int32),
        "firsts": begins_us.astype("datetime64[us]"),
        "lasts": ends_us.astype("datetime64[us]"),
    }
