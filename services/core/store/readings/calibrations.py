"""Daily calibrations: found among readings, kept as tests, read when hours are finalised."""

from __future__ import annotations

from typing import Any

import psycopg

from services.core.accounting.stack.qa import CalibrationTest
from services.core.store.readings import history
from services.core.timeline.instants import HOUR_US, MINUTE_US, from_us

_READINGS = """
SELECT (extract(epoch FROM ts) * 1000000)::int8, value FROM reading
WHERE channel_id = %s AND quality = 3 AND value IS NOT NULL
  AND ts >= minute_start(%s)
  AND ts < minute_start(%s)
ORDER BY ts
"""

# The last test before a span decides how the span begins.
_TESTS = """
SELECT (extract(epoch FROM ended_at) * 1000000)::int8, passed, detail FROM (
    (SELECT * FROM calibration_test WHERE channel_id = %(channel)s AND ended_at < %(first)s
     ORDER BY ended_at DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM calibration_test
     WHERE channel_id = %(channel)s AND ended_at >= %(first)s AND ended_at < %(end)s)) t
ORDER BY 1
"""

_EXCUSED = """
SELECT DISTINCT channel_id, minute_of(ts) / 60 FROM reading
WHERE channel_id = ANY(%s) AND quality IN (3, 4)
  AND ts >= minute_start(60 * %s)
  AND ts < minute_start(60 * %s)
"""


def readings(
    connection: psycopg.Connection[Any], channel_id: int, first_minute: int, end_minute: int
) -> list[tuple[int, float]]:
    """Read calibration readings (microseconds, value) of the minutes; ``end_minute`` exclusive."""
    begins, ends = from_us(first_minute * MINUTE_US), from_us(end_minute * MINUTE_US)
    history.open_span(connection, [channel_id], begins, ends)
    return connection.execute(_READINGS, (channel_id, first_minute, end_minute)).fetchall()


def tests(
    connection: psycopg.Connection[Any], channel_id: int, first_us: int, end_us: int
) -> list[CalibrationTest]:
    """Read the tests that ended in a span and the last one before it, in order of time."""
    rows = connection.execute(
        _TESTS,
        {"channel": channel_id, "first": from_us(first_us), "end": from_us(end_us)},
    )
    return [CalibrationTest(ts_us=ts, passed=passed, detail=d) for ts, passed, d in rows]


def next_test_us(connection: psycopg.Connection[Any], channel_id: int, after_us: int) -> int | None:
    """Read when the first test after an instant ended; None: there is none."""
    row = connection.execute(
        "SELECT (extract(epoch FROM min(ended_at)) * 1000000)::int8 FROM calibration_test"
        " WHERE channel_id = %s AND ended_at > %s",
        (channel_id, from_us(after_us)),
    ).fetchone()
    return row[0] if row else None


def replace(
    connection: psycopg.Connection[Any],
    channel_id: int,
    first_us: int,
    end_us: int,
    tests: list[CalibrationTest],
) -> None:
    """Keep ``tests`` as the tests that ended in the span."""
    connection.execute(
        "DELETE FROM calibration_test WHERE channel_id = %s AND ended_at >= %s AND ended_at < %s",
        (channel_id, from_us(first_us), from_us(end_us)),
    )
    connection.cursor().executemany(
        "INSERT INTO calibration_test (channel_id, ended_at, passed, detail)"
        " VALUES (%s, %s, %s, %s)",
        [(channel_id, from_us(t.ts_us), t.passed, t.detail) for t in tests],
    )


def excused(
    connection: psycopg.Connection[Any], channel_ids: list[int], first_hour: int, end_hour: int
) -> set[tuple[int, int]]:
    """Read the (channel, hour) of calibration or maintenance readings; ``end_hour`` exclusive."""
    begins, ends = from_us(first_hour * HOUR_US), from_us(end_hour * HOUR_US)
    history.open_span(connection, channel_ids, begins, ends)
    rows = connection.execute(_EXCUSED, (channel_ids, first_hour, end_hour)).fetchall()
    return {(row[0], row[1]) for row in rows}
