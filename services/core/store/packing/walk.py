"""What of a hypertable is old: chunk by chunk, the oldest first, owner by owner, day by day.

What is packed leaves its chunk empty, so a walk over all that was ever stored asks little more than
whether each chunk has a row, and finds every day that was opened since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg

from services.core.store.database import locks
from services.core.store.packing.days import begin, day_of
from services.core.timeline.instants import to_us

#: Chunks with rows from before a midnight; from where on, by what was dropped.
_CHUNKS: LiteralString = """
SELECT greatest(c.range_start, h.horizon), least(c.range_end, %(before)s), c.range_end
FROM timescaledb_information.chunks c
CROSS JOIN (SELECT {horizon} AS horizon) h
WHERE c.hypertable_schema = 'public' AND c.hypertable_name = '{table}'
  AND c.range_start < %(before)s AND c.range_end > h.horizon
ORDER BY c.range_start
"""

# Each an index probe: the whole chunk is asked for the next owner, so that rows that are too
# young are not passed one by one.
_NEXT_OWNER: LiteralString = """
SELECT {owner} FROM public.{table}
WHERE {time} >= %(begins)s AND {time} < %(chunk_ends)s AND {owner} > %(owner)s
ORDER BY {owner}, {time} LIMIT 1
"""
_NEXT_TIME: LiteralString = """
SELECT {time} FROM public.{table}
WHERE {owner} = %(owner)s AND {time} >= %(since)s AND {time} < %(ends)s
ORDER BY {time} LIMIT 1
"""

#: The next row, and the one that comes so many after it.
_NEXT_TIMES: LiteralString = """
WITH rows AS (
    SELECT {time} AS at FROM public.{table}
    WHERE {owner} = %(owner)s AND {time} >= %(since)s AND {time} < %(ends)s
    ORDER BY {time} LIMIT %(rows)s + 1)
SELECT (SELECT at FROM rows LIMIT 1), (SELECT at FROM rows OFFSET %(rows)s)
"""

_ALONE: Final = """
SELECT pg_try_advisory_xact_lock(%(facility_lock)s, %(facility)s)
   AND pg_try_advisory_xact_lock(%(history_lock)s, %(facility)s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Walked:
    """A hypertable whose index is by owner and time."""

    table: LiteralString
    owner: LiteralString
    time: LiteralString
    #: SQL of the instant below which nothing is packed any more: what is left there stays
    horizon: LiteralString = "timestamptz '-infinity'"

    def sql(self, statement: LiteralString) -> LiteralString:
        """Return a statement about it."""
        return (
            statement.replace("{table}", self.table)
            .replace("{owner}", self.owner)
            .replace("{time}", self.time)
            .replace("{horizon}", self.horizon)
        )


def walk(
    connection: psycopg.Connection[Any], walked: Walked, before: datetime
) -> Iterator[tuple[int, int]]:
    """Yield owner and day of all rows in days that end at ``before`` (midnight UTC) or earlier."""
    for key in _owners(connection, walked, before):
        next_time, since = walked.sql(_NEXT_TIME), key["begins"]
        while row := connection.execute(
            next_time, {**key, "since": since}, prepare=False
        ).fetchone():
            day = day_of(to_us(row[0]))
            yield key["owner"], day
            since = begin(day + 1)


def walk_runs(
    connection: psycopg.Connection[Any], walked: Walked, before: datetime, *, rows: int
) -> Iterator[tuple[int, int, int]]:
    """Yield owner, first and last day of runs of days, all rows of which :func:`walk` tells of.

    A run has ``rows`` at most, or is one day. The first of its days has rows; others may have none.
    """
    for key in _owners(connection, walked, before):
        next_times, since = walked.sql(_NEXT_TIMES), key["begins"]
        while True:
            first_at, beyond = connection.execute(
                next_times, {**key, "since": since, "rows": rows}, prepare=False
            ).fetchall()[0]
            if first_at is None:
                break
            first = day_of(to_us(first_at))
            last = day_of(to_us(key["ends"]) - 1) if beyond is None else day_of(to_us(beyond)) - 1
            last = max(first, last)
            yield key["owner"], first, last
            since = begin(last + 1)


def _owners(
    connection: psycopg.Connection[Any], walked: Walked, before: datetime
) -> Iterator[dict[str, Any]]:
    """Yield each owner that has rows in a chunk, with the part of the chunk that is old."""
    chunks = connection.execute(walked.sql(_CHUNKS), {"before": before}).fetchall()
    next_owner = walked.sql(_NEXT_OWNER)
    for begins, ends, chunk_ends in chunks:
        key = {"begins": begins, "ends": ends, "chunk_ends": chunk_ends, "owner": -(2**31)}
        while row := connection.execute(next_owner, key, prepare=False).fetchone():
            key["owner"] = row[0]
            yield key


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
    """Give back what chunks take of which all is packed; return how many there were."""
    row = connection.execute("SELECT free_empty_chunks()").fetchone()
    return int(row[0]) if row else 0
