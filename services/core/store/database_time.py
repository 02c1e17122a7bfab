"""Looks at the database's clock."""

from __future__ import annotations

from typing import Any

import psycopg

from services.core.runtime.steady_time import SteadyTime

LOOK = "SELECT clock_timestamp()"


def look(connection: psycopg.Connection[Any], steady: SteadyTime) -> None:
    """Let ``steady`` see the database's clock; ``connection`` is in autocommit mode."""
    began_s = steady.begin_look()
    row = connection.execute(LOOK).fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    steady.seen(row[0], began_s=began_s)


async def look_async(connection: psycopg.AsyncConnection[Any], steady: SteadyTime) -> None:
    """Do the same in a loop of asyncio."""
    began_s = steady.begin_look()
    row = await (await connection.execute(LOOK)).fetchone()
    assert row is not None  # noqa: S101 - as above
    steady.seen(row[0], began_s=began_s)
