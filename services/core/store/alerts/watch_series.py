"""What thresholds are evaluated from, as arrays: minutes and windows of sources, device activity.

Masses are whole micrograms, so that sums do not depend on their order; a window of one source
beyond 9e18 of them counts as 9e18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.emissions import minute_history, window_sums
from services.core.store.readings import history
from services.core.store.schema.figures import MASSES, SET_BY_CLOSING, names, per_figure
from services.core.timeline.instants import MINUTE_US, from_us
from services.core.timeline.intervals import Interval

Integers = NDArray[np.int64]

#: So much of a minute makes it known.
_KNOWN_US: Final = 1_000_000

#: A total beyond counts as so many.
_MOST_UG: Final = 9 * 10**18


def _of_each_mass(pattern: LiteralString) -> dict[str, LiteralString]:
    """Return a statement for each mass, by its name in thresholds."""
    return {mass.stem: per_figure([mass], pattern) for mass in MASSES}


#: SQL of the time that a mass of the row ``m`` stands for: closing an hour sets it.
_KNOWN_MS: LiteralString = "m.covered_ms" + "".join(
    f" + m.{time}" for time in names(SET_BY_CLOSING)
)

# Every minute of some ranges; the LATERAL has each range find its own chunks.
_MINUTES = _of_each_mass(
    f"""
SELECT m.source_id::int8, minute_of(m.minute)::int8,
       {{f.closed}}, m.{{f}}, m.covered_ms::int8, ({_KNOWN_MS})::int8
FROM unnest(%(firsts)s::int8[], %(lasts)s::int8[]) AS x(first, last)
CROSS JOIN LATERAL (
    SELECT * FROM minute_in_force e
    WHERE e.source_id = ANY(%(sources)s)
      AND e.minute BETWEEN minute_start(x.first) AND minute_start(x.last)) m
"""  # noqa: S608 - constants
)

# What is known of production in every minute of a range.
_AMOUNTS: LiteralString = """
SELECT m.source_id::int8, minute_of(m.minute)::int8, m.activity_n::int8
FROM minute_in_force m
WHERE m.source_id = ANY(%(sources)s) AND m.covered_ms > 0 AND m.activity_n IS NOT NULL
  AND m.minute BETWEEN minute_start(%(first)s) AND minute_start(%(last)s)
"""

# The newest minute before a given one in which anything was known of the source.
_KNOWN_BEFORE = _of_each_mass(
    f"""
SELECT x.source_id::int8, minute_of(m.minute)::int8,
       {{f.closed}}, m.{{f}}, m.covered_ms::int8, ({_KNOWN_MS})::int8
FROM unnest(%(sources)s::int4[], %(after)s::int8[]) AS x(source_id, after)
CROSS JOIN LATERAL (
    SELECT * FROM minute_in_force e
    WHERE e.source_id = x.source_id AND e.covered_ms >= 1000
      AND e.minute < minute_start(%(before)s) AND e.minute > minute_start(x.after)
    ORDER BY e.minute DESC LIMIT 1) m
"""  # noqa: S608 - constants
)

_WINDOWS = _of_each_mass(
    f"""
SELECT array_position(%(spans)s::text[], m.span)::int8, m.source_id::int8,
       minute_of(m.since)::int8, minute_of(m.upto)::int8,
       least(greatest(m.{{f}}, -{_MOST_UG}), {_MOST_UG})::int8, m.covered_ms::int8,
       ({_KNOWN_MS})::int8
FROM rolling_total m WHERE m.source_id = ANY(%(sources)s) AND m.span = ANY(%(spans)s)
"""  # noqa: S608 - constants
)

# Of rows alone.
_SUMS = _of_each_mass(
    f"""
SELECT m.source_id::int8, least(greatest(sum({{f.closed}}), -{_MOST_UG}), {_MOST_UG})::int8,
       sum(m.covered_ms)::int8, sum({_KNOWN_MS})::int8
FROM public.minute_in_force m
WHERE m.source_id = ANY(%(sources)s)
  AND m.minute >= minute_start(%(first)s) AND m.minute < minute_start(%(end)s)
GROUP BY 1
"""  # noqa: S608 - constants
)

# A packed row that ends before need not be opened for its newest reading; one that ends later is
# open, as what lies in the minutes asked for. A run of 40 days ago may begin a month earlier.
_SPOKE_BEFORE = """
SELECT x.i::int8, minute_of(max(r.ts))::int8
FROM unnest(%(owners)s::int8[], %(channels)s::int4[]) AS x(i, channel_id)
CROSS JOIN LATERAL (
    (SELECT ts FROM reading
     WHERE channel_id = x.channel_id AND ts < minute_start(%(before)s)
       AND ts > minute_start(%(before)s) - interval '40 days'
     ORDER BY ts DESC LIMIT 1)
    UNION ALL
    (SELECT last_ts FROM packed_readings
     WHERE channel_id = x.channel_id
       AND day BETWEEN %(before)s::int8 / 1440 - 72 AND %(before)s::int8 / 1440
       AND last_ts < minute_start(%(before)s)
       AND last_ts > minute_start(%(before)s) - interval '40 days'
     ORDER BY day DESC LIMIT 1)) r
GROUP BY 1
"""

_SPOKE = """
SELECT DISTINCT x.i::int8, minute_of(r.ts)::int8
FROM unnest(%(owners)s::int8[], %(channels)s::int4[]) AS x(i, channel_id)
JOIN reading r ON r.channel_id = x.channel_id
WHERE r.ts >= minute_start(%(first)s) AND r.ts < minute_start(%(last)s + 1)
"""

# The two newest readings up to the end of a minute, of each channel.
_READ = """
SELECT x.i::int8, extract(epoch FROM r.times[1] - r.times[2])::float8
FROM unnest(%(owners)s::int8[], %(channels)s::int4[], %(untils)s::timestamptz[],
            %(sinces)s::timestamptz[]) AS x(i, channel_id, until, since)
CROSS JOIN LATERAL (SELECT ARRAY(
    SELECT ts FROM reading
    WHERE channel_id = x.channel_id AND value IS NOT NULL AND quality <= 1
      AND ts <= x.until AND ts > x.since
    ORDER BY ts DESC LIMIT 2) AS times) r
WHERE r.times[1] IS NOT NULL
"""

_QUARANTINED = """
SELECT coalesce(q.device, '') AS device, minute_of(q.received_at)::int8, count(*)
FROM quarantine q JOIN facility f ON f.slug = q.facility
WHERE f.id = %(facility)s AND q.state = 'open' AND q.received_at >= minute_start(%(first)s)
GROUP BY 1, 2
"""

_MINUTE = PackedRows(
    source="int8", minute="int8", ug="int8", own_ug="int8", ms="int8", known_ms="int8"
)
_WINDOW = PackedRows(
    span="int8", source="int8", since="int8", upto="int8", ug="int8", ms="int8", known_ms="int8"
)
_SUM = PackedRows(source="int8", ug="int8", ms="int8", known_ms="int8")
_AMOUNT = PackedRows(source="int8", minute="int8", n="int8")
_SPOKEN = PackedRows(owner="int8", minute="int8")

Rows = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowTotal:
    """A window of many sources, from ``since`` to ``last_minute``, both included."""

    since: int
    last_minute: int
    ug: Integers
    covered_ms: Integers
    #: the time that the mass stands for
    known_ms: Integers
    #: False: there is no total of the source yet
    present: NDArray[np.bool_]


class Sources:
    """Sources in the order of the arrays' rows."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = sorted(ids)
        self._array = np.array(self.ids, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Any) -> Integers:
        """Return the row of each id, which must be present."""
        return np.searchsorted(self._array, np.asarray(ids, dtype=np.int64))


def minutes(
    connection: psycopg.Connection[Any],
    sources: Sources,
    mass: str,
    ranges: Sequence[tuple[int, int]],
) -> Rows:
    """Return the stored minutes of sources in ranges, both ends included, in any order.

    Columns: ``source``, ``minute``, ``ug`` with what closing added, ``own_ug`` without, ``ms`` that
    readings cover, ``known_ms`` that the mass stands for.
    """
    intervals = [Interval.through(first, last) for first, last in ranges]
    minute_history.open_intervals(connection, sources.ids, intervals)
    return _MINUTE.select(
        connection,
        _MINUTES[mass],
        {
            "sources": sources.ids,
            "firsts": [first for first, _ in ranges],
            "lasts": [last for _, last in ranges],
        },
    )


def amounts(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], first: int, last: int
) -> Rows:
    """Return what sources count in the minutes from ``first`` to ``last``, where it is known.

    Columns: ``source``, ``minute``, ``n``, billionths of the source's activity unit.
    """
    minute_history.open_intervals(connection, source_ids, [Interval.through(first, last)])
    return _AMOUNT.select(
        connection, _AMOUNTS, {"sources": list(source_ids), "first": first, "last": last}
    )


def known_before(
    connection: psycopg.Connection[Any], mass: str, after: Mapping[int, int], before: int
) -> Rows:
    """Return each source's newest known minute after its own minute and before ``before``.

    Columns as those of :func:`minutes`.
    """
    if after:
        interval = Interval(start=min(after.values()), end=before)
        minute_history.open_intervals(connection, list(after), [interval])
    return _MINUTE.select(
        connection,
        _KNOWN_BEFORE[mass],
        {"sources": list(after), "after": list(after.values()), "before": before},
    )


def windows(
    connection: psycopg.Connection[Any], sources: Sources, mass: str, names: Sequence[str]
) -> dict[str, WindowTotal]:
    """Return the windows as the aggregator last moved them, by name."""
    rows = _WINDOW.select(
        connection, _WINDOWS[mass], {"sources": sources.ids, "spans": list(names)}
    )
    result = {}
    for i, window in enumerate(names, start=1):
        of_span = rows[rows["span"] == i]
        if not of_span.size:
            continue
        last_minute = int(of_span["upto"].max())
        of_span = of_span[of_span["upto"] == last_minute]
        ug, covered, known = _by_source(sources, of_span)
        present = np.zeros(len(sources), dtype=bool)
        present[sources.rows(of_span["source"])] = True
        result[window] = WindowTotal(
            since=int(of_span["since"].min()),
            last_minute=last_minute,
            ug=ug,
            covered_ms=covered,
            known_ms=known,
            present=present,
        )
    return result


def sums(
    connection: psycopg.Connection[Any], sources: Sources, mass: str, first: int, end: int
) -> tuple[Integers, Integers, Integers]:
    """Return each source's micrograms in ``[first, end)``, and its covered and known time in ms.

    What is packed of years is added up here, and not opened.
    """
    totals = _SUM.select(
        connection, _SUMS[mass], {"sources": sources.ids, "first": first, "end": end}
    )
    ug, covered, known = _by_source(sources, totals)
    figure = next(figure for figure in MASSES if figure.stem == mass)
    interval = Interval(start=first, end=end)
    for source_id in minute_history.packed_days(connection, sources.ids, interval):
        packed = minute_history.packed(connection, [source_id], first, end)
        figures = packed.minutes.figures
        (row,) = sources.rows([source_id])
        total = int(ug[row]) + window_sums.exact(packed.closed(figure))
        ug[row] = min(max(total, -_MOST_UG), _MOST_UG)
        covered[row] += figures["covered_ms"].sum()
        known[row] += sum(figures[time].sum() for time in ("covered_ms", *names(SET_BY_CLOSING)))
    return ug, covered, known


def _by_source(sources: Sources, totals: Rows) -> tuple[Integers, Integers, Integers]:
    """Return micrograms, covered and known milliseconds of each source; 0 where there is no row."""
    rows = sources.rows(totals["source"])
    columns = []
    for name in ("ug", "ms", "known_ms"):
        column = np.zeros(len(sources), dtype=np.int64)
        column[rows] = totals[name]
        columns.append(column)
    ug, covered, known = columns
    return ug, covered, known


def newest_readings(
    connection: psycopg.Connection[Any],
    devices: Sequence[Sequence[int]],
    first: int,
    last: int,
) -> NDArray[np.int64]:
    """Return each device's newest minute with a reading, by minute; -1: none in 40 days.

    ``devices``: the channels of each; the answer's shape is (devices, minutes).
    """
    owners = [i for i, channels in enumerate(devices) for _ in channels]
    channels = [channel for of_device in devices for channel in of_device]
    parameters = {"owners": owners, "channels": channels, "first": first, "last": last}
    newest = np.full((len(devices), last - first + 1), -1, dtype=np.int64)
    begins, ends = from_us(first * MINUTE_US), from_us((last + 1) * MINUTE_US)
    history.open_span(connection, channels, begins, ends)
    before = _SPOKEN.select(connection, _SPOKE_BEFORE, {**parameters, "before": first})
    newest[before["owner"], 0] = before["minute"]
    inside = _SPOKEN.select(connection, _SPOKE, parameters)
    newest[inside["owner"], inside["minute"] - first] = inside["minute"]
    return np.maximum.accumulate(newest, axis=1)


def reading_intervals(
    connection: psycopg.Connection[Any],
    channels: Sequence[Sequence[int]],
    minutes: Integers,
    longest: Integers,
) -> Integers:
    """Return how far the last two readings up to the end of a minute are apart, in minutes.

    ``channels``: those of each minute, the slowest of which counts. ``longest``: minutes that are
    looked back; that is it where there is one reading in them.
    """
    owners = np.array([i for i, of_minute in enumerate(channels) for _ in of_minute])
    asked = [channel for of_minute in channels for channel in of_minute]
    # what ends less than a second after a minute makes nothing known of the next one
    untils = (minutes[owners] + 1) * MINUTE_US + _KNOWN_US
    sinces = untils - longest[owners] * MINUTE_US
    history.open_span(
        connection, sorted(set(asked)), from_us(int(sinces.min())), from_us(int(untils.max()) + 1)
    )
    rows = connection.execute(
        _READ,
        {
            "owners": owners,
            "channels": asked,
            "untils": untils.astype("datetime64[us]"),
            "sinces": sinces.astype("datetime64[us]"),
        },
    ).fetchall()
    intervals = np.zeros(len(channels), dtype=np.int64)
    for owner, apart_s in rows:
        apart = longest[owner] if apart_s is None else -int(-apart_s // 60)
        intervals[owner] = max(intervals[owner], apart)
    return intervals


def quarantined(
    connection: psycopg.Connection[Any], facility_id: int, first: int
) -> list[tuple[str, int, int]]:
    """Return open entries by device and minute of arrival, from minute ``first`` on."""
    return connection.execute(_QUARANTINED, {"facility": facility_id, "first": first}).fetchall()
