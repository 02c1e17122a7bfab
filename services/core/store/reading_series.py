"""Readings of many channels as arrays, with the readings around them that a result depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

#: Binary timestamps count microseconds from 2000-01-01 UTC.
_POSTGRES_EPOCH_US = 946_684_800_000_000

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)

#: One tuple of the binary COPY below; no column is null, so all have the same length.
_TUPLE = np.dtype(
    [
        ("columns", ">i2"),
        ("l0", ">i4"),
        ("span", ">i8"),
        ("l1", ">i4"),
        ("ts", ">i8"),
        ("l2", ">i4"),
        ("value", ">f8"),
    ]
)

# LIMIT takes the span's own number of neighbours; an index scan on (channel_id, ts) each.
# Quality above 1 (bad, calibration, maintenance) is a gap for the account, like null.
_READINGS = """
COPY (
SELECT x.i, r.ts,
       CASE WHEN r.quality <= 1 THEN coalesce(r.value, 'NaN') ELSE 'NaN' END::float8
FROM unnest(%(channels)s::int4[], %(first)s::int4[], %(last)s::int4[],
            %(before)s::int4[], %(after)s::int4[])
     WITH ORDINALITY AS x(channel_id, first, last, before, after, i)
CROSS JOIN LATERAL (SELECT timestamptz 'epoch' + make_interval(mins => x.first) AS t0,
                           timestamptz 'epoch' + make_interval(mins => x.last + 1) AS t1) b
CROSS JOIN LATERAL (
    (SELECT ts, value, quality FROM reading
     WHERE channel_id = x.channel_id AND ts < b.t0
       AND (x.after = 0 OR (value IS NOT NULL AND quality <= 1))
     ORDER BY ts DESC LIMIT x.before)
    UNION ALL
    (SELECT ts, value, quality FROM reading
     WHERE channel_id = x.channel_id AND ts >= b.t0 AND ts < b.t1)
    UNION ALL
    (SELECT ts, value, quality FROM reading
     WHERE channel_id = x.channel_id AND ts >= b.t1 AND value IS NOT NULL AND quality <= 1
     ORDER BY ts LIMIT x.after)
) r
) TO STDOUT (FORMAT binary)
"""

# How far the k-th usable neighbours of a span lie from it.
_NEIGHBOURS = """
SELECT coalesce((SELECT extract(epoch FROM min(ts))::int8 FROM (
           SELECT ts FROM reading
           WHERE channel_id = x.channel_id AND value IS NOT NULL AND quality <= 1
             AND ts < timestamptz 'epoch' + make_interval(mins => x.first)
           ORDER BY ts DESC LIMIT %(k)s) q) / 60, x.first)::int4,
       coalesce((SELECT extract(epoch FROM max(ts))::int8 FROM (
           SELECT ts FROM reading
           WHERE channel_id = x.channel_id AND value IS NOT NULL AND quality <= 1
             AND ts >= timestamptz 'epoch' + make_interval(mins => x.last + 1)
           ORDER BY ts LIMIT %(k)s) q) / 60, x.last)::int4
FROM unnest(%(channels)s::int4[], %(first)s::int4[], %(last)s::int4[])
     WITH ORDINALITY AS x(channel_id, first, last, i)
ORDER BY x.i
"""

# The newest reading of each channel before the end of a minute, if it is not too old to hold.
_HOLDING = """
SELECT x.channel_id, extract(epoch FROM r.ts)::float8
FROM unnest(%(channels)s::int4[], %(holds_s)s::float8[]) AS x(channel_id, holds_s)
CROSS JOIN LATERAL (
    SELECT ts FROM reading
    WHERE channel_id = x.channel_id AND ts < timestamptz 'epoch' + make_interval(mins => %(end)s)
      AND ts > timestamptz 'epoch' + make_interval(mins => %(end)s, secs => -x.holds_s)
    ORDER BY ts DESC LIMIT 1) r
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Minutes of one channel, both ends included, and how many readings around them matter.

    With ``after`` > 0 only usable readings count as neighbours (a register's), else any (a
    gauge's: a gap ends what holds).
    """

    channel_id: int
    first_minute: int
    last_minute: int
    before: int = 0
    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """Readings of one span, ascending; NaN where a reading says that nothing is known."""

    ts_us: NDArray[np.int64]
    value: NDArray[np.float64]


def read(connection: psycopg.Connection[Any], spans: Sequence[Span]) -> list[Readings]:
    """The readings of each span with its neighbours, in the order of ``spans``."""
    if not spans:
        return []
    parameters = {
        "channels": [span.channel_id for span in spans],
        "first": [span.first_minute for span in spans],
        "last": [span.last_minute for span in spans],
        "before": [span.before for span in spans],
        "after": [span.after for span in spans],
    }
    with connection.cursor() as cursor, cursor.copy(_READINGS, parameters) as copy:
        raw = b"".join(copy)
    rows = np.frombuffer(raw, dtype=_TUPLE, offset=len(_HEADER), count=_count(raw))
    span = rows["span"].astype(np.int64) - 1
    ts_us = rows["ts"].astype(np.int64) + _POSTGRES_EPOCH_US
    order = np.lexsort((ts_us, span))
    span, ts_us = span[order], ts_us[order]
    value = rows["value"].astype(np.float64)[order]
    bounds = np.searchsorted(span, np.arange(len(spans) + 1))
    return [Readings(ts_us=ts_us[a:b], value=value[a:b]) for a, b in pairwise(bounds.tolist())]


def _count(raw: bytes) -> int:
    # the stream ends with a two-byte trailer of -1
    return (len(raw) - len(_HEADER) - 2) // _TUPLE.itemsize


def neighbours(
    connection: psycopg.Connection[Any], spans: Sequence[Span], count: int
) -> list[tuple[int, int]]:
    """Minutes of the ``count``-th usable readings before and after each span.

    Where there are fewer, of the farthest; where there is none, the span's own end.
    """
    if not spans:
        return []
    return connection.execute(
        _NEIGHBOURS,
        {
            "k": count,
            "channels": [span.channel_id for span in spans],
            "first": [span.first_minute for span in spans],
            "last": [span.last_minute for span in spans],
        },
    ).fetchall()


def holding(
    connection: psycopg.Connection[Any],
    channel_ids: Sequence[int],
    holds_s: Sequence[float],
    end_minute: int,
) -> dict[int, float]:
    """The newest reading's time (epoch seconds) of each channel that may hold into ``end_minute``.

    Channels whose newest reading before that minute is older than ``holds_s`` are left out.
    """
    rows = connection.execute(
        _HOLDING, {"channels": list(channel_ids), "holds_s": list(holds_s), "end": end_minute}
    )
    return dict(rows.fetchall())
