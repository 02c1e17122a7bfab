"""Which channel and day is packed next: chunk by chunk, the oldest first, channel by channel.

What is packed leaves its chunk empty, so a walk over all that was ever stored asks little more than
whether each chunk has a row, and finds every day that a late reading has opened since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.store.database import locks
from services.core.store.readings.packing.columns import day_of
from services.core.store.readings.packing.days import begin
from services.core.timeline.instants import to_us

#: Nothing below the horizon is packed: what is left there stays as it is.
_CHUNKS: Final = """
SELECT greatest(c.range_start, h.horizon), least(c.range_end, %(before)s), c.range_end
FROM timescaledb_information.chunks c
CROSS JOIN (SELECT coalesce((SELECT horizon FROM reading_horizon), '-infinity') AS horizon) h
WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'reading'
  AND c.range_start < %(before)s AND c.range_end > h.horizon
ORDER BY c.range_start
"""

#: Each an index probe: the whole chunk is asked for the next channel, so that rows that are too
#: young are not passed one by one.
_NEXT_CHANNEL: Final = """
SELECT channel_id FROM reading
WHERE ts >= %(begins)s AND ts < %(chunk_ends)s AND channel_id > %(channel)s
ORDER BY channel_id, ts LIMIT 1
"""
_NEXT_TIME: Final = """
SELECT ts FROM reading WHERE channel_id = %(channel)s AND ts >= %(since)s AND ts < %(ends)s
ORDER BY ts LIMIT 1
"""

#: Whose it is, and whether all that it feeds is settled. Hours depend on readings of a day around.
_SETTLED: Final = """
SELECT d.facility_id
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE c.id = %(channel)s
  AND NOT EXISTS (
      SELECT FROM source_input i JOIN emission_hour h ON h.source_id = i.source_id
      WHERE i.channel_id = c.id AND NOT h.final
        AND h.hour >= %(begins)s::timestamptz - interval '1 day'
        AND h.hour < %(ends)s::timestamptz + interval '1 day')
  AND NOT EXISTS (SELECT FROM touched t WHERE t.facility_id = f.id AND NOT t.live)
  AND NOT EXISTS (
      SELECT FROM recompute r
      WHERE r.facility_id = f.id AND minute_start(r.from_minute) < %(ends)s
        AND minute_start(r.to_minute) > %(begins)s)
  AND NOT EXISTS (
      SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""

_ALONE: Final = """
SELECT pg_try_advisory_xact_lock(%(facility_lock)s, %(facility)s)
   AND pg_try_advisory_xact_lock(%(history_lock)s, %(facility)s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What a channel has of a day as rows, old enough to be packed."""

    channel_id: int
    #: since the epoch, in UTC
    day: int


def walk(connection: psycopg.Connection[Any], before: datetime) -> Iterator[Candidate]:
    """Yield all that there is in days that end at ``before`` (midnight UTC) or earlier."""
    chunks = connection.execute(_CHUNKS, {"before": before}).fetchall()
    for begins, ends, chunk_ends in chunks:
        key = {"begins": begins, "ends": ends, "chunk_ends": chunk_ends, "channel": -(2**31)}
        while True:
            row = connection.execute(_NEXT_CHANNEL, key, prepare=False).fetchone()
            if row is None:
                break
            key["channel"] = row[0]
            yield from _days(connection, key)


def _days(connection: psycopg.Connection[Any], key: dict[str, Any]) -> Iterator[Candidate]:
    since = key["begins"]
    while True:
        row = connection.execute(_NEXT_TIME, {**key, "since": since}, prepare=False).fetchone()
        if row is None:
            return
        day = day_of(to_us(row[0]))
        yield Candidate(channel_id=key["channel"], day=day)
        since = begin(day + 1)


def settled(connection: psycopg.Connection[Any], candidate: Candidate) -> int | None:
    """Return the facility of a candidate whose hours are final; None: it has to wait."""
    row = connection.execute(
        _SETTLED,
        {
            "channel": candidate.channel_id,
            "begins": begin(candidate.day),
            "ends": begin(candidate.day + 1),
        },
    ).fetchone()
    return row[0] if row else None


def take(connection: psycopg.Connection[Any], facility_id: int) -> bool:
    """Have a facility alone until the transaction ends; False: somebody else needs it just now."""
    row = connection.execute(
        _ALONE,
        {
            "facility_lock": locks.FACILITY,
            "history_lock": locks.HISTORY,
            "facility": facility_id,
        },
    ).fetchone()
    return bool(row and row[0])


def free_room(connection: psycopg.Connection[Any]) -> int:
    """Give back what chunks take whose readings are all packed; return how many there were."""
    row = connection.execute("SELECT free_empty_chunks()").fetchone()
    return int(row[0]) if row else 0
