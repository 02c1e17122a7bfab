"""The database's clock: looks at it, and by what rows are dated while it is not believed."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import ColumnElement, Connection, Float, cast, func, text

from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.progress import RUNS

_LOOK = "SELECT clock_timestamp()"

#: The present, by which configurations are dated: one instant in a transaction. It is the
#: database's, unless :func:`date_as_believed` found that it jumped.
NOW: ColumnElement[Any] = func.coalesce(
    func.to_timestamp(cast(func.nullif(func.current_setting("tonne.now", True), ""), Float)),
    func.now(),
)

# What processes that look at the clock all the time say of it. No version of a factor begins before
# one that it may replace.
_DATE_AS_BELIEVED = text(f"""
SELECT set_config('tonne.now', extract(epoch FROM greatest(
    now() - make_interval(secs => jump_s),
    (SELECT max(greatest(known_from, known_to)) + interval '1 millisecond' FROM factor)))::text,
    true)
FROM (SELECT (state ->> 'clock_jump_s')::float8 AS jump_s FROM process_progress WHERE {RUNS}) q
WHERE jump_s <> 0 ORDER BY abs(jump_s) DESC LIMIT 1
""")  # noqa: S608 - the condition of who runs

_JUMPED = f"""
SELECT (state ->> 'clock_jump_s')::float8 FROM process_progress
WHERE process = %s AND {RUNS}
  AND state ? 'clock_jump_s'
ORDER BY progressed_at DESC LIMIT 1
"""  # noqa: S608 - the condition of who runs


def look(connection: psycopg.Connection[Any], steady: SteadyTime) -> None:
    """Let ``steady`` see the database's clock; ``connection`` is in autocommit mode."""
    began_s = steady.begin_look()
    row = connection.execute(_LOOK).fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    steady.observe(row[0], began_s=began_s)


def adopt(connection: psycopg.Connection[Any], process: str, steady: SteadyTime) -> None:
    """Take over what another process of the kind, or this one before it ended, says of a jump."""
    row = connection.execute(_JUMPED, (process,)).fetchone()
    if row is not None and row[0]:
        steady.adopt(row[0])


def date_as_believed(connection: Connection) -> None:
    """Let :data:`NOW` be the time that processes go by, until the transaction ends."""
    connection.execute(_DATE_AS_BELIEVED)


async def look_async(connection: psycopg.AsyncConnection[Any], steady: SteadyTime) -> None:
    """Do the same in a loop of asyncio."""
    began_s = steady.begin_look()
    row = await (await connection.execute(_LOOK)).fetchone()
    assert row is not None  # noqa: S101 - as above
    steady.observe(row[0], began_s=began_s)
