"""The database's clock: looks at it, and by what rows are dated while it is not believed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from sqlalchemy import ColumnElement, Connection, Float, cast, func, text

from services.core.runtime.steady_time import SteadyTime

_LOOK = "SELECT clock_timestamp()"

#: SQL: when something comes to be known, asked for once in a statement and not for each of its
#: rows; see :mod:`services.core.store.schema.believed_time`.
PRESENT: Final[LiteralString] = "(SELECT known_now())"

#: SQL: what is known since before it was known before this transaction. While the clock is not
#: believed, all that a transaction writes has the one time that it stated.
BEGUN: Final[LiteralString] = (
    "(SELECT CASE WHEN known_now() = statement_timestamp() THEN transaction_timestamp()"
    " ELSE known_now() END)"
)

_DATED: Final = "SELECT set_config('tonne.now', %s, true)"

#: The present, by which configurations are dated: one instant in a transaction. It is the
#: database's, unless :func:`date_as_believed` found that it jumped.
NOW: ColumnElement[Any] = func.coalesce(
    func.to_timestamp(cast(func.nullif(func.current_setting("tonne.configured", True), ""), Float)),
    func.now(),
)

# No version of a factor begins before one that it may replace, though a clock that was ahead dated
# that; nothing but configurations is dated so.
_DATE_AS_BELIEVED = text("""
SELECT set_config('tonne.configured', extract(epoch FROM at)::text, true),
       CASE WHEN jump <> interval '0'
            THEN set_config('tonne.now', extract(epoch FROM now() - jump)::text, true) END
FROM (SELECT jump, greatest(now() - jump, (
                 SELECT max(greatest(known_from, known_to)) + interval '1 millisecond' FROM factor
             )) AS at
      FROM (SELECT believed_jump() AS jump) j) q
WHERE at <> now() AND coalesce(current_setting('tonne.configured', true), '') = ''
""")

_JUMP: Final = "SELECT extract(epoch FROM believed_jump())::float8"

_REPORTED: Final = "SELECT clock_is_reported()"

#: How long to wait for processes that run to report by what clock; each does once a second, and one
#: that adds up much some seconds later.
_LOOKS: Final = 50
_LOOK_AGAIN_S: Final = 0.1


def look(connection: psycopg.Connection[Any], steady: SteadyTime) -> None:
    """Let ``steady`` see the database's clock; ``connection`` is in autocommit mode.

    One that never did takes over first what running processes say of a jump.
    """
    if steady.believed is None:
        adopt(connection, steady)
    began_s = steady.begin_look()
    row = connection.execute(_LOOK).fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    steady.observe(row[0], began_s=began_s)


def adopt(connection: psycopg.Connection[Any], steady: SteadyTime) -> None:
    """Take over what running processes, or this one before it ended, say of a jump."""
    await_reports(connection)
    row = connection.execute(_JUMP).fetchone()
    steady.adopt(row[0] if row else 0.0)


def date_by(connection: psycopg.Connection[Any], instant: datetime) -> None:
    """Let what this transaction writes be known at the time that its process goes by."""
    connection.execute(_DATED, (stated(instant),))


def stated(instant: datetime) -> str:
    """Return a time as a transaction states it: ``tonne.now``."""
    return str(instant.timestamp())


def present(connection: psycopg.Connection[Any]) -> datetime:
    """Ask for the present: the time that processes go by."""
    row = connection.execute("SELECT known_now()").fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    instant: datetime = row[0]
    return instant


def await_reports(connection: psycopg.Connection[Any]) -> None:
    """Wait some seconds for what running processes report of the clock, where it just jumped.

    Call before a command that does not know the clock for long asks for the present.
    """
    _await(lambda: connection.execute(_REPORTED).fetchone())


def _await(ask: Callable[[], Sequence[Any] | None]) -> None:
    """Ask until the first value of the row is true, or there is no more to be expected."""
    for _ in range(_LOOKS):
        row = ask()
        if row is None or row[0]:
            return
        time.sleep(_LOOK_AGAIN_S)


def date_as_believed(connection: Connection) -> None:
    """Let :data:`NOW` be the time that processes go by, until the transaction ends."""
    _await(lambda: connection.execute(text(_REPORTED)).fetchone())
    connection.execute(_DATE_AS_BELIEVED)


async def look_async(connection: psycopg.AsyncConnection[Any], steady: SteadyTime) -> None:
    """Do the same in a loop of asyncio."""
    if steady.believed is None:
        for _ in range(_LOOKS):
            row = await (await connection.execute(_REPORTED)).fetchone()
            if row is None or row[0]:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        jump = await (await connection.execute(_JUMP)).fetchone()
        steady.adopt(jump[0] if jump else 0.0)
    began_s = steady.begin_look()
    row = await (await connection.execute(_LOOK)).fetchone()
    assert row is not None  # noqa: S101 - as above
    steady.observe(row[0], began_s=began_s)
