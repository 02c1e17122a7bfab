"""Readings timed by their arrival, where another one stands at that very time.

Such a time is not the device's word, so two values for it are no conflict: the later one goes to
the first free microsecond after it. A broker that tells when it stored a message tells the same at
each delivery, so a value that stands already in the unbroken run from there on is a duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import msgspec
import psycopg

from services.core.store.readings.known_since import known_at
from services.core.timeline.instants import from_us, to_us

if TYPE_CHECKING:
    from services.core.store.readings.writer import ReadingRow


#: Microseconds that are looked at at once.
_STRETCH_US: Final = 1000

_TAKEN: Final = """
SELECT ts, value, quality FROM reading
WHERE channel_id = %s AND ts >= %s AND ts < %s ORDER BY ts
"""

_INSERT: Final[LiteralString] = f"""
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at, known_at)
VALUES (%s, %s, %s, %s, %s, %s, {known_at("%s::timestamptz")})
ON CONFLICT (channel_id, ts) DO NOTHING
"""  # noqa: S608 - a constant


def store(cursor: psycopg.Cursor[Any], row: ReadingRow) -> ReadingRow | None:
    """Store ``row`` at the first free microsecond from its own on; None if it stands there already.

    Returns the row as it was stored.
    """
    ts_us = row.ts_us
    while True:
        taken = {
            to_us(ts): (value, quality)
            for ts, value, quality in cursor.execute(
                _TAKEN, (row.channel_id, from_us(ts_us), from_us(ts_us + _STRETCH_US))
            )
        }
        end_us = ts_us + _STRETCH_US
        while ts_us < end_us and (stands := taken.get(ts_us)) is not None:
            if stands == (row.value, row.quality):
                return None
            ts_us += 1
        if ts_us == end_us:
            continue
        cursor.execute(
            _INSERT,
            (
                row.channel_id,
                from_us(ts_us),
                row.value,
                row.quality,
                row.time_source,
                from_us(row.received_us),
                from_us(row.received_us),
            ),
        )
        if cursor.rowcount:
            return msgspec.structs.replace(row, ts_us=ts_us)
