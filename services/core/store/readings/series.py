"""Readings of many channels as arrays, with the readings around them that a result depends on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.core.store.database.arrays import PackedRows
from services.core.store.packing.days import day_of, days_of, instants
from services.core.store.readings import history
from services.core.store.readings.packed_series import with_packed
from services.core.store.readings.series_arrays import (
    Integers,
    Readings,
    Series,
    SeriesRequest,
    SeriesRequests,
    joined,
)
from services.core.timeline.instants import DAY_MINUTES, EPOCH, MINUTE_US, from_us

#: Neighbours are looked for this far before the oldest request, and only where these do not do in
#: all of history: a day has them of a channel that reports each hour.
_NEAR_MINUTES = DAY_MINUTES

# LIMIT takes the request's own number of neighbours; an index scan on (channel_id, ts) each.
# `oldest` keeps older chunks out of the plan: a search for neighbours would open all there are.
# Quality above 1 (bad, calibration, maintenance) is a gap for the account, like null. That a gap
# stands for a value above the range (5) is told by infinity, which no channel can show. A reading's
# request is told by its number, below zero for an uncertain one: one more column would cost more.
_READING: Final = PackedRows(request="int4", ts_us="timestamptz", value="float8")
PACK: Final[LiteralString] = _READING.sql(
    "(CASE r.quality WHEN 1 THEN -x.i ELSE x.i END)::int4",
    "r.ts",
    "CASE WHEN r.quality <= 1 THEN coalesce(r.value, 'NaN') WHEN r.quality = 5 THEN 'Infinity'"
    " ELSE 'NaN' END",
)

_READINGS: LiteralString = f"""
SELECT {PACK}
FROM unnest(%(channels)s::int8[], %(firsts)s::int8[], %(lasts)s::int8[],
            %(before)s::int8[], %(after)s::int8[])
     WITH ORDINALITY AS x(channel_id, first, last, before, after, i)
CROSS JOIN LATERAL (SELECT minute_start(x.first) AS t0, minute_start(x.last + 1) AS t1) b
CROSS JOIN LATERAL (
    (SELECT ts, value, quality FROM public.reading
     WHERE channel_id = x.channel_id AND ts >= %(oldest)s::timestamptz AND ts < b.t0
       AND (x.after = 0 OR (value IS NOT NULL AND quality <= 1))
     ORDER BY ts DESC LIMIT x.before)
    UNION ALL
    (SELECT ts, value, quality FROM public.reading
     WHERE channel_id = x.channel_id AND ts >= %(oldest)s::timestamptz
       AND ts >= b.t0 AND ts < b.t1)
    UNION ALL
    (SELECT ts, value, quality FROM public.reading
     WHERE channel_id = x.channel_id AND ts >= %(oldest)s::timestamptz
       AND ts >= b.t1 AND value IS NOT NULL AND quality <= 1
     ORDER BY ts LIMIT x.after)
) r
"""  # noqa: S608 - how rows are packed

#: Rows, and the packed ones that hold what is asked for or neighbours of it.
_BOTH: LiteralString = f"""
SELECT ({_READINGS}), array_agg(p.channel_id), array_agg(p.day), array_agg(p.days),
       array_agg(p.series)
FROM ({history.WANTED_SERIES}) p
"""  # noqa: S608 - constants

# How far the k-th usable neighbours of a request lie from it. `since` is in microseconds.
_NEIGHBOUR: Final = PackedRows(before="int8", after="int8")
_NEIGHBOURS: LiteralString = f"""
SELECT {_NEIGHBOUR.sql("before", "after", order_by="i")} FROM (
SELECT x.i,
       coalesce((SELECT minute_of(min(ts))::int8 FROM (
           SELECT ts FROM reading
           WHERE channel_id = x.channel_id AND value IS NOT NULL AND quality <= 1
             AND ts < timestamptz 'epoch' + x.since * interval '1 microsecond'
           ORDER BY ts DESC LIMIT %(k)s) q), x.since / 60000000) AS before,
       coalesce((SELECT minute_of(max(ts))::int8 FROM (
           SELECT ts FROM reading
           WHERE channel_id = x.channel_id AND value IS NOT NULL AND quality <= 1
             AND ts >= minute_start(x.last + 1)
           ORDER BY ts LIMIT %(k)s) q), x.last) AS after
FROM unnest(%(channels)s::int8[], %(since)s::int8[], %(lasts)s::int8[])
     WITH ORDINALITY AS x(channel_id, since, last, i)
) q
"""  # noqa: S608 - how rows are packed

# All that is known of channels from an instant of each on; `oldest` keeps other chunks out of it.
_SINCE: LiteralString = f"""
SELECT {PACK}
FROM unnest(%(channels)s::int8[], %(since)s::timestamptz[])
     WITH ORDINALITY AS x(channel_id, since, i)
CROSS JOIN LATERAL (
    SELECT ts, value, quality FROM reading
    WHERE channel_id = x.channel_id AND ts >= %(oldest)s::timestamptz AND ts >= x.since
    OFFSET 0) r
"""  # noqa: S608 - how rows are packed

_FOR_FEW: Final = """
SELECT set_config('timescaledb.enable_chunk_append', %s, true),
       set_config('enable_bitmapscan', %s, true)
"""

# The newest reading of each channel before the end of a minute, if it is not too old to hold;
# `oldest` and `end` keep other chunks out of it.
_HOLDING = """
SELECT x.channel_id, extract(epoch FROM r.ts)::float8
FROM unnest(%(channels)s::int4[], %(holds_s)s::float8[]) AS x(channel_id, holds_s)
CROSS JOIN LATERAL (
    SELECT ts FROM reading
    WHERE channel_id = x.channel_id AND ts < minute_start(%(end)s)
      AND ts >= %(oldest)s::timestamptz
      AND ts > minute_start(%(end)s) - make_interval(secs => x.holds_s)
    ORDER BY ts DESC LIMIT 1) r
"""


class StoredReadings:
    """The readings as they stand in the database."""

    def __init__(
        self, connection: psycopg.Connection[Any], *, unpacked_from_day: int | None = None
    ) -> None:
        """Read by a connection.

        ``unpacked_from_day``: the day since the epoch from which on none of the channels' readings
        are packed for as long as these are read; None: not known.
        """
        self._connection = connection
        self._unpacked_from_day = unpacked_from_day

    def read(self, requests: SeriesRequests) -> Series:
        """Read the readings of each request with their neighbours."""
        if not len(requests):
            return received(None, 0)
        near = int(requests.firsts.min()) - _NEAR_MINUTES
        series = self._from(requests, near)
        early = series.ts_us < requests.firsts[series.owner] * MINUTE_US
        short = np.bincount(series.owner[early], minlength=len(requests)) < requests.before
        if not short.any():
            return series
        far = self._from(requests.where(short), None)
        long_enough = ~short[series.owner]
        return Series.sorted(
            np.concatenate((series.owner[long_enough], np.flatnonzero(short)[far.owner])),
            np.concatenate((series.ts_us[long_enough], far.ts_us)),
            np.concatenate((series.value[long_enough], far.value)),
            len(requests),
            joined(
                None if series.uncertain is None else series.uncertain[long_enough],
                long_enough.sum(),
                far,
            ),
        )

    def _from(self, requests: SeriesRequests, oldest_minute: int | None) -> Series:
        """Read what there is of the requests from a minute on; None: from the beginning."""
        firsts, oldest = requests.firsts // DAY_MINUTES, None
        if oldest_minute is not None:
            oldest = oldest_minute // DAY_MINUTES
        parameters = asked(requests, oldest_minute)
        if not history.may_be_packed(self._connection, firsts, requests.before, oldest):
            return received(one(self._connection, _READINGS, parameters), len(requests))
        parameters |= history.day_bounds(firsts, requests.lasts // DAY_MINUTES, oldest)
        # one statement sees a day as rows or packed, whoever opens it meanwhile
        row = self._connection.execute(_BOTH, parameters, binary=True, prepare=False).fetchone()
        assert row is not None  # noqa: S101 - it aggregates
        rows, *packed = row
        with history.names_archived_days(self._connection):
            return with_packed(
                received(rows, len(requests)),
                requests,
                zip(*(column or () for column in packed), strict=True),
            )

    def since(self, channels: Integers, since_us: Integers) -> Series:
        """Read all of each channel from its instant (microseconds since the epoch) on."""
        if not channels.size:
            return received(None, 0)
        oldest_us = int(since_us.min())
        if self._unpacked_from_day is None or day_of(oldest_us) < self._unpacked_from_day:
            history.open_days(
                self._connection,
                channels=channels,
                firsts=days_of(since_us),
                lasts=np.full(channels.size, history.LAST_DAY),
            )
        # a look-up in the newest chunk costs twice as much by way of TimescaleDB's node for many,
        # and half as much again by way of a bitmap
        self._connection.execute(_FOR_FEW, ("off", "off"))
        packed = one(
            self._connection,
            _SINCE,
            {
                "channels": channels,
                "since": instants(since_us),
                "oldest": datetime.fromtimestamp(oldest_us // 1_000_000, UTC),
            },
        )
        self._connection.execute(_FOR_FEW, ("on", "on"))
        return received(packed, channels.size)

    def neighbours(
        self, channels: Integers, since_us: Integers, lasts: Integers, count: int
    ) -> tuple[Integers, Integers]:
        """Read minutes of the ``count``-th usable readings before ``since_us`` and after ``lasts``.

        Of each channel; the first is an instant, the other a minute. Where there are fewer, of the
        farthest; where there is none, the minute of ``since_us`` itself, or that of ``lasts``.
        """
        if not channels.size:
            return channels, channels
        firsts, earlier = days_of(since_us), np.ones_like(channels)
        if history.may_be_packed(self._connection, firsts, earlier, None):
            return self._far_neighbours(channels, since_us, lasts, count)
        packed = one(
            self._connection,
            _NEIGHBOURS,
            {"k": count, "channels": channels, "since": since_us, "lasts": lasts},
        )
        columns = _NEIGHBOUR.columns(packed)
        return columns["before"], columns["after"]

    def _far_neighbours(
        self, channels: Integers, since_us: Integers, lasts: Integers, count: int
    ) -> tuple[Integers, Integers]:
        """Do as :meth:`neighbours` does, of rows and packed days."""
        minutes, several = since_us // MINUTE_US, np.full_like(channels, count)
        both = self.read(
            SeriesRequests(
                channels=np.concatenate((channels, channels)),
                firsts=np.concatenate((minutes, lasts)),
                lasts=np.concatenate((minutes, lasts)),
                # neighbours that can be used are those of requests that look ahead, too
                before=np.concatenate((several, np.zeros_like(several))),
                after=np.concatenate((np.ones_like(several), several)),
            )
        )
        usable = np.isfinite(both.value)
        before, after = minutes.copy(), lasts.copy()
        for i in range(channels.size):
            early, late = (slice(*both.bounds[k : k + 2]) for k in (i, i + channels.size))
            earlier_us = both.ts_us[early][usable[early] & (both.ts_us[early] < since_us[i])]
            if earlier_us.size:
                before[i] = earlier_us[-count:][0] // MINUTE_US
            end_us = (lasts[i] + 1) * MINUTE_US
            later_us = both.ts_us[late][usable[late] & (both.ts_us[late] >= end_us)]
            if later_us.size:
                after[i] = later_us[:count][-1] // MINUTE_US
        return before, after


def asked(requests: SeriesRequests, oldest_minute: int | None) -> dict[str, Any]:
    """Return requests as statements take them; ``oldest_minute`` None: there is no bound."""
    return {
        "channels": requests.channels,
        "firsts": requests.firsts,
        "lasts": requests.lasts,
        "before": requests.before,
        "after": requests.after,
        "oldest": _bound(-1 if oldest_minute is None else oldest_minute * 60),
    }


def one(
    connection: psycopg.Connection[Any], sql: LiteralString, parameters: Mapping[str, Any]
) -> bytes | None:
    """Read one packed value."""
    # planned anew each time: only a plan for this very instant leaves other chunks out
    row = connection.execute(sql, parameters, binary=True, prepare=False).fetchone()
    return None if row is None else row[0]


def received(packed: bytes | None, requests: int) -> Series:
    """Return the readings of so many requests that :data:`PACK` packed."""
    columns = _READING.columns(packed)
    number = columns["request"].astype(np.int64)
    uncertain = number < 0
    return Series.sorted(
        np.abs(number) - 1,
        columns["ts_us"],
        columns["value"],
        requests,
        uncertain if uncertain.any() else None,
    )


def _bound(second: int) -> datetime | str:
    """Return the instant, as a lower bound of times; none at all where it lies before the epoch."""
    return datetime.fromtimestamp(second, UTC) if second >= 0 else "-infinity"


def read(readings: StoredReadings, requests: Sequence[SeriesRequest]) -> list[Readings]:
    """Read the readings of each request with their neighbours, in the order of ``requests``."""

    def column(values: Iterable[int]) -> Integers:
        return np.fromiter(values, dtype=np.int64, count=len(requests))

    series = readings.read(
        SeriesRequests(
            channels=column(request.channel_id for request in requests),
            firsts=column(request.interval.start for request in requests),
            lasts=column(request.interval.last for request in requests),
            before=column(request.before for request in requests),
            after=column(request.after for request in requests),
        )
    )
    return [series[i] for i in range(len(requests))]


def holding(
    connection: psycopg.Connection[Any],
    channel_ids: Sequence[int],
    holds_s: Sequence[float],
    end_minute: int,
) -> dict[int, float]:
    """Read when each channel had its newest reading (epoch seconds) that may hold into a minute.

    Channels whose newest reading before that minute is older than ``holds_s`` are left out.
    """
    oldest_s = end_minute * 60 - max(holds_s, default=0.0)
    history.open_newest(
        connection,
        channel_ids,
        from_us(end_minute * MINUTE_US),
        oldest=max(EPOCH, from_us(math.floor(oldest_s) * 1_000_000)),
    )
    rows = connection.execute(
        _HOLDING,
        {
            "channels": list(channel_ids),
            "holds_s": list(holds_s),
            "end": end_minute,
            "oldest": _bound(math.floor(oldest_s)),
        },
        # planned anew each time, as above
        prepare=False,
    )
    return dict(rows.fetchall())
