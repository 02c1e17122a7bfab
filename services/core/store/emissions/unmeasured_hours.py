"""Tells the hours in which a facility was retired and nothing was measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import psycopg

from services.core.store.readings import history_arrays
from services.core.timeline.instants import HOUR_US, from_us

# The hours of the retirement and of the return are measured in part.
_RETIREMENTS = """
SELECT minute_of(retired_at) / 60 + 1, minute_of(returned_at) / 60 - 1
FROM (SELECT retired_at, returned_at FROM facility_retirement
      WHERE facility_id = %s AND returned_at IS NOT NULL
      UNION SELECT retired_at, returned_at FROM source_absence WHERE source_id = %s) r
"""


def while_retired(
    connection: psycopg.Connection[Any],
    facility_id: int,
    source_id: int,
    channel_ids: Sequence[int],
    hours: Collection[int],
) -> set[int]:
    """Return which of the hours (since the epoch) a source was retired in, without readings.

    It came back, with its facility or alone. An hour of it that has a reading of one of the
    channels, because it arrived after the return, is not among them.
    """
    if not hours:
        return set()
    unmeasured: set[int] = set()
    for retired, returned in connection.execute(_RETIREMENTS, (facility_id, source_id)).fetchall():
        first, last = max(retired, min(hours)), min(returned, max(hours))
        unmeasured.update(_without_readings(connection, channel_ids, first, last))
    return unmeasured & set(hours)


def _without_readings(
    connection: psycopg.Connection[Any], channel_ids: Sequence[int], first: int, last: int
) -> Iterator[int]:
    """Halve a span until each part has no reading, or is an hour that has one."""
    if first > last:
        return
    begins, ends = from_us(first * HOUR_US), from_us((last + 1) * HOUR_US)
    if not history_arrays.any_between(connection, channel_ids, begins, ends):
        yield from range(first, last + 1)
    elif first < last:
        middle = (first + last) // 2
        yield from _without_readings(connection, channel_ids, first, middle)
        yield from _without_readings(connection, channel_ids, middle + 1, last)
