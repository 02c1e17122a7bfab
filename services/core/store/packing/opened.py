"""Packed days unpacked into tables of the session, where queries find them until it commits.

For each kind of history there is a view in the schema ``history`` under the name of its table,
of the table's rows and of what the session has unpacked. Once anything is, ``search_path`` begins
with that schema: unchanged statements read the views. Where nothing is, they read the tables, and
nothing changes. Whoever writes into such a table names it with its schema (``public.reading``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np
import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from services.core.store.database.arrays import binary_row
from services.core.store.packing.days import Integers, begin

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which ingest and the aggregator do without
    from sqlalchemy.ext.asyncio import AsyncConnection

AnyConnection = psycopg.Connection[Any] | Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of history that is packed by day."""

    #: of its row in ``packing_horizon``, and of its days in the session
    id: int


READINGS: Final = Kind(id=1)
MINUTES: Final = Kind(id=2)
HOURS: Final = Kind(id=3)

#: No day from the first on is packed; whether this session has opened days before.
_HORIZON: LiteralString = """
SELECT upto_day, to_regclass('pg_temp.opened_day') IS NOT NULL FROM packing_horizon WHERE id = %s
"""

#: All of them at once: the views show all.
_TABLES: Final[Sequence[LiteralString]] = (
    """
    CREATE TEMPORARY TABLE unpacked_reading (
        LIKE public.reading, PRIMARY KEY (channel_id, ts)) ON COMMIT DELETE ROWS
    """,
    """
    CREATE TEMPORARY TABLE unpacked_minute (
        LIKE public.emission_minute, PRIMARY KEY (source_id, minute)) ON COMMIT DELETE ROWS
    """,
    """
    CREATE TEMPORARY TABLE unpacked_hour (
        LIKE public.emission_hour, PRIMARY KEY (source_id, hour)) ON COMMIT DELETE ROWS
    """,
    """
    CREATE TEMPORARY TABLE unpacked_hour_version (
        LIKE public.emission_hour_history, PRIMARY KEY (source_id, hour, version))
    ON COMMIT DELETE ROWS
    """,
    """
    CREATE TEMPORARY TABLE opened_day (
        kind smallint NOT NULL, owner integer NOT NULL, day integer NOT NULL, id bigint NOT NULL)
    ON COMMIT DELETE ROWS
    """,
)

_OPENED: Final = """
INSERT INTO pg_temp.opened_day (kind, owner, day, id)
SELECT %(kind)s, * FROM unnest(%(owners)s::int8[], %(days)s::int8[], %(ids)s::int8[])
"""

_HIDE_MINUTES: Final = """
WITH gone AS (
    DELETE FROM pg_temp.opened_day o USING unnest(%(sources)s::int8[], %(days)s::int8[]) x(id, day)
    WHERE o.kind = 2 AND o.owner = x.id AND o.day = x.day RETURNING o.owner, o.day)
DELETE FROM pg_temp.unpacked_minute u USING gone
WHERE u.source_id = gone.owner AND u.minute >= minute_start(1440 * gone.day)
  AND u.minute < minute_start(1440 * (gone.day + 1))
"""

_HIDE_HOURS: Final = """
WITH gone AS (
    DELETE FROM pg_temp.opened_day o USING unnest(%(sources)s::int8[], %(months)s::int8[]) x(id, m)
    WHERE o.kind = 3 AND o.owner = x.id AND o.day = x.m RETURNING o.owner, o.day
), spans AS (
    SELECT owner, make_timestamptz(day / 12, day %% 12 + 1, 1, 0, 0, 0, 'UTC') AS begins,
           make_timestamptz((day + 1) / 12, (day + 1) %% 12 + 1, 1, 0, 0, 0, 'UTC') AS ends
    FROM gone
), hours AS (
    DELETE FROM pg_temp.unpacked_hour u USING spans s
    WHERE u.source_id = s.owner AND u.hour >= s.begins AND u.hour < s.ends)
DELETE FROM pg_temp.unpacked_hour_version u USING spans s
WHERE u.source_id = s.owner AND u.hour >= s.begins AND u.hour < s.ends
"""

#: Of a query on packed days ``p`` of one kind: those that the session has not opened yet.
NOT_OPENED: LiteralString = """
  AND NOT EXISTS (SELECT FROM pg_temp.opened_day o
                  WHERE o.kind = {kind} AND o.owner = p.{owner} AND o.day = p.day AND o.id = p.id)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Horizon:
    """What there may be of packed days."""

    #: no day from this one on was ever packed
    upto_day: int
    #: this session has opened days before
    has_tables: bool


def execute(connection: AnyConnection, sql: LiteralString, parameters: Any | None = None) -> Any:
    """Execute a statement with psycopg's parameters on a connection of either kind."""
    if isinstance(connection, Connection):
        return connection.exec_driver_sql(sql, parameters)
    return connection.execute(sql, parameters, binary=True, prepare=False)


def horizon(connection: AnyConnection, kind: Kind) -> Horizon | None:
    """Read how far days of a kind may be packed; None: none ever was."""
    row = execute(connection, _HORIZON, (kind.id,)).fetchone()
    return None if row is None else Horizon(upto_day=row[0], has_tables=row[1])


async def may_be_packed(connection: AsyncConnection, kind: Kind, since: datetime) -> bool:
    """Return whether anything of a kind from an instant on may be packed."""
    row = await binary_row(connection, _HORIZON, (kind.id,))
    return bool(row) and since < begin(row[0])


def show(
    connection: AnyConnection,
    kind: Kind,
    fill: LiteralString,
    columns: dict[str, Any],
    *,
    owners: Integers,
    days: Integers,
    ids: Integers,
    has_tables: bool,
) -> None:
    """Let queries see days, by owner, day and id: ``fill`` inserts what is in them."""
    if not has_tables:
        for table in _TABLES:
            execute(connection, table)
    execute(connection, fill, columns)
    execute(
        connection,
        _OPENED,
        {
            "kind": kind.id,
            "owners": owners.astype(np.int64),
            "days": days.astype(np.int64),
            "ids": ids.astype(np.int64),
        },
    )
    execute(connection, "SET LOCAL search_path = history, public")


def hide_minutes(connection: AnyConnection, sources: Integers, days: Integers) -> None:
    """Show days of minutes no more that are rows again, or packed anew."""
    if _has_tables(connection):
        execute(connection, _HIDE_MINUTES, {"sources": sources, "days": days})


def hide_hours(connection: AnyConnection, sources: Integers, months: Integers) -> None:
    """Show months of hours, since the year 0, no more that are rows again, or packed anew."""
    if _has_tables(connection):
        execute(connection, _HIDE_HOURS, {"sources": sources, "months": months})


def _has_tables(connection: AnyConnection) -> bool:
    """Return whether the session has ever shown anything that is packed."""
    row = execute(connection, "SELECT to_regclass('pg_temp.opened_day') IS NOT NULL").fetchone()
    return row is not None and bool(row[0])


@contextmanager
def snapshot(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Open a transaction whose statements all see one history, unless one is open already.

    An open one has to be of that kind itself.
    """
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@asynccontextmanager
async def snapshot_async(connection: AsyncConnection) -> AsyncIterator[None]:
    """As :func:`snapshot`, on a connection of a pool in autocommit mode."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - of a connection that is open
    if driver.info.transaction_status is not TransactionStatus.IDLE:
        yield
        return
    await connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        yield
    except BaseException:
        # a connection that has ended has nothing to roll back, and what ended it is to be raised
        with suppress(DBAPIError, PendingRollbackError):
            await connection.exec_driver_sql("ROLLBACK")
        raise
    await connection.exec_driver_sql("COMMIT")
