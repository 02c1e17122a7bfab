"""Readings of many channels as arrays, as they stood at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import psycopg

from services.core.store.readings import history
from services.core.store.readings.known_since import readings_then
from services.core.store.readings.series import PACK, StoredReadings, asked, one, received
from services.core.store.readings.series_arrays import Series, SeriesRequests
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, from_us

#: No reading that was known at an instant lies this far after it: ingest believes no such time.
_AHEAD: Final = timedelta(days=1)

# As :mod:`.series` reads what is stored now; see there. `ahead` keeps the search for what follows
# from looking through all that came since.
_READINGS: LiteralString = f"""
SELECT {PACK}
FROM unnest(%(channels)s::int8[], %(firsts)s::int8[], %(lasts)s::int8[],
            %(before)s::int8[], %(after)s::int8[])
     WITH ORDINALITY AS x(channel_id, first, last, before, after, i)
CROSS JOIN LATERAL (SELECT minute_start(x.first) AS t0, minute_start(x.last + 1) AS t1) b
CROSS JOIN LATERAL (
    ({
    readings_then(
        "ts >= %(oldest)s::timestamptz AND ts < b.t0"
        " AND (x.after = 0 OR (value IS NOT NULL AND quality <= 1))",
        "ORDER BY ts DESC LIMIT x.before",
    )
})
    UNION ALL
    ({readings_then("ts >= %(oldest)s::timestamptz AND ts >= b.t0 AND ts < b.t1")})
    UNION ALL
    ({
    readings_then(
        "ts >= %(oldest)s::timestamptz AND ts >= b.t1 AND ts < %(ahead)s::timestamptz"
        " AND value IS NOT NULL AND quality <= 1",
        "ORDER BY ts LIMIT x.after",
    )
})
) r
"""  # noqa: S608 - how rows are packed


_NEWEST_AHEAD: LiteralString = f"""
SELECT x.channel_id, minute_of(r.ts) FROM unnest(%(channels)s::int4[]) AS x(channel_id)
CROSS JOIN LATERAL (
    {
    readings_then(
        "ts >= minute_start(%(minute)s + 1) AND ts < %(ahead)s::timestamptz",
        "ORDER BY ts DESC LIMIT 1",
    )
}) r
"""  # noqa: S608 - constants


class ReadingsAsKnown(StoredReadings):
    """The readings as they stood in the database at ``as_of``, aware."""

    def __init__(self, connection: psycopg.Connection[Any], as_of: datetime) -> None:
        super().__init__(connection)
        self._as_of = as_of

    def _from(self, requests: SeriesRequests, oldest_minute: int | None) -> Series:
        history.open_days(
            self._connection,
            channels=requests.channels,
            firsts=requests.firsts // DAY_MINUTES,
            lasts=requests.lasts // DAY_MINUTES,
            before=requests.before,
            after=requests.after,
            oldest=None if oldest_minute is None else oldest_minute // DAY_MINUTES,
            as_of=self._as_of,
        )
        then = {"as_of": self._as_of, "ahead": self._as_of + _AHEAD}
        packed = one(self._connection, _READINGS, asked(requests, oldest_minute) | then)
        return received(packed, len(requests))

    def ahead(self, channel_ids: Sequence[int], minute: int) -> dict[int, int]:
        """Read the minute of the newest reading of each channel that lies after ``minute``."""
        history.open_newest(
            self._connection,
            channel_ids,
            self._as_of + _AHEAD,
            oldest=from_us((minute + 1) * MINUTE_US),
            as_of=self._as_of,
        )
        rows = self._connection.execute(
            _NEWEST_AHEAD,
            {
                "as_of": self._as_of,
                "ahead": self._as_of + _AHEAD,
                "channels": list(channel_ids),
                "minute": minute,
            },
        )
        return dict(rows.fetchall())
