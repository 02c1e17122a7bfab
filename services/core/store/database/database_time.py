"""Looks at the database's clock."""

from __future__ import annotations

from typing import Any

import psycopg

from services.core.runtime.progress import STALE_AFTER_S
from services.core.runtime.steady_time import SteadyTime

_LOOK = "SELECT clock_timestamp()"

_JUMPED = """
SELECT (state ->> 'clock_jump_s')::float8 FROM process_progress
WHERE process = %s AND abs(extract(epoch FROM now() - progressed_at)) < %s
  AND state ? 'clock_jump_s'
ORDER BY progressed_at DESC LIMIT 1
"""


def look(connection: psycopg.Connection[Any], steady: SteadyTime) -> None:
    """Let ``steady`` see the database's clock; ``connection`` is in autocommit mode."""
    began_s = steady.begin_look()
    row = connection.execute(_LOOK).fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    steady.seen(row[0], began_s=began_s)


def adopt(connection: psycopg.Connection[Any], process: str, steady: SteadyTime) -> None:
    """Take over what another process of the kind, or this one before it ended, says of a jump."""
    row = connection.execute(_JUMPED, (process, STALE_AFTER_S)).fetchone()
    if row is not None and row[0]:
        steady.adopt(row[0])


async def look_async(connection: psycopg.AsyncConnection[Any], steady: SteadyTime) -> None:
    """Do the same in a loop of asyncio."""
    began_s = steady.begin_look()
    row = await (await connection.execute(_LOOK)).fetchone()
    assert row is not None  # noqa: S101 - as above
    steady.seen(row[0], began_s=began_s)
