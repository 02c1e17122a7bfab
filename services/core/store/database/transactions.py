"""The one way to read and the one way to write; see the package :mod:`services.core.store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection

from services.core.store.database.connect import ProcessName, async_engine, connect, engine
from services.core.store.database.database_time import date_as_believed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@contextmanager
def reading(url: str, *, process: ProcessName) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection that can only read, each statement for a limited time.

    All statements of a transaction see one state of the database.
    """
    with connect(url, process=process, role="tonne_read") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def reading_pool(url: str, *, process: ProcessName, connections: int) -> AsyncEngine:
    """Build a pool of such connections for asyncio, in autocommit mode."""
    return async_engine(
        url, process=process, role="tonne_read", pool_size=connections, max_overflow=0
    ).execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def session(url: str, *, process: ProcessName) -> Iterator[Connection]:
    """Open a connection for several transactions of ``connection.begin()``."""
    bind = engine(url, process=process)
    try:
        with bind.connect() as connection:
            yield connection
    finally:
        bind.dispose()


@contextmanager
def writing(url: str, *, process: ProcessName, dry_run: bool = False) -> Iterator[Connection]:
    """Open one transaction: it commits at the end of the block, unless that raises.

    It dates configurations by the time that processes go by, also where the clock jumped.

    :param dry_run: roll it back at the end too.
    """
    with session(url, process=process) as connection, connection.begin() as transaction:
        date_as_believed(connection)
        yield connection
        if dry_run:
            transaction.rollback()
