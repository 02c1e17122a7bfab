"""The names under which services wake each other with NOTIFY.

A notification only says "look now"; what there is to see is in the tables, so a lost one costs a
moment, never data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from services.core.runtime import tracing

#: Readings were committed; payload: the facility's id.
INVALIDATED = "tonne_touched"

#: A facility's totals changed; payload: the facility's slug.
LIVE = "tonne_live"

#: What traces go on by, where they are asked for: before :data:`INVALIDATED` and :data:`LIVE` the
#: step that they come from; payload: what theirs is, a space, and a traceparent.
TRACED_READINGS = "tonne_traced_readings"
TRACED_TOTALS = "tonne_traced_totals"

#: The registry changed; payload: its new revision.
REGISTRY = "tonne_registry"

#: Values of factors by the hour wait to be taken; payload: empty.
FACTOR_VALUES = "tonne_factor_values"

#: Something is to be told; payload: empty.
OUTBOX = "tonne_outbox"


def tell_step(execute: Callable[..., object], name: str, facility: str | int) -> None:
    """Announce the step in hand with the transaction, if it is traced."""
    step = tracing.traceparent()
    if step is not None:
        execute("SELECT pg_notify(%s, %s)", (name, f"{facility} {step}"))


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
