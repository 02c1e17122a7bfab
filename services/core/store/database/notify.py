"""The names under which services wake each other with NOTIFY.

A notification only says "look now"; what there is to see is in the tables, so a lost one costs a
moment, never data.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

#: Readings were committed; payload: the facility's id.
INVALIDATED = "tonne_touched"

#: A facility's totals changed; payload: the facility's slug.
LIVE = "tonne_live"

#: The registry changed; payload: its new revision.
REGISTRY = "tonne_registry"

#: Values of factors by the hour wait to be taken; payload: empty.
FACTOR_VALUES = "tonne_factor_values"

#: Something is to be told; payload: empty.
OUTBOX = "tonne_outbox"


def listen(connection: psycopg.Connection[Any], *names: str) -> None:
    """Have a connection in autocommit mode hear these."""
    for name in names:
        connection.execute(_listen(name))


async def listen_async(connection: psycopg.AsyncConnection[Any], *names: str) -> None:
    """Do the same in a loop of asyncio."""
    for name in names:
        await connection.execute(_listen(name))


def _listen(name: str) -> sql.Composed:
    return sql.SQL("LISTEN {}").format(sql.Identifier(name))
