"""The one way to read and the one way to write; see the package :mod:`services.core.store`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import Connection

from services.core.store.audit.record import come_from
from services.core.store.database.connect import (
    ServerName,
    async_engine,
    connect,
    engine,
    has_ended,
)
from services.core.store.database.database_time import date_as_believed
from services.core.store.database.process_names import ProcessName

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


class ReadingConnections:
    """Connections of :func:`reading` that are used again: to open one takes several milliseconds.

    Any thread may take one; those that are left over are closed. Those of a standby are in
    autocommit: a transaction begins there when the standby has what it is to have.
    """

    def __init__(
        self, url: str, *, process: ProcessName, idle: int, server: ServerName = "primary"
    ) -> None:
        self._url = url
        self._process = process
        self._server = server
        #: the one used last is taken first
        self._idle: deque[psycopg.Connection[Any]] = deque()
        self._most_idle = idle
        self._is_closed = False

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """Take a connection; what is open of a transaction at the end is committed."""
        connection = self._take()
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.close()
            raise
        if len(self._idle) < self._most_idle:
            self._idle.append(connection)
        else:
            connection.close()
        if self._is_closed:
            # it was in use then
            self._close_idle()

    def close(self) -> None:
        """Close those that nobody uses, and each other one when it is given back."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            # threads may give back, and end, at the same moment
            while True:
                self._idle.pop().close()

    def _take(self) -> psycopg.Connection[Any]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect(
                    self._url,
                    process=self._process,
                    role="tonne_read",
                    autocommit=self._server == "standby",
                    server=self._server,
                )
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                return connection
            if not has_ended(connection):
                return connection
            connection.close()


def reading_pool(
    url: str, *, process: ProcessName, connections: int, server: ServerName = "primary"
) -> AsyncEngine:
    """Build a pool of such connections for asyncio, in autocommit mode."""
    return async_engine(
        url,
        process=process,
        role="tonne_read",
        pool_size=connections,
        max_overflow=0,
        autocommit=True,
        server=server,
    )


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
def writing(
    url: str, *, process: ProcessName, dry_run: bool = False, address: str | None = None
) -> Iterator[Connection]:
    """Open one transaction: it commits at the end of the block, unless that raises.

    It dates configurations by the time that processes go by, also where the clock jumped.

    :param dry_run: roll it back at the end too.
    :param address: whence the request comes that it serves, for the audit log.
    """
    with session(url, process=process) as connection, connection.begin() as transaction:
        date_as_believed(connection)
        come_from(connection, address)
        yield connection
        if dry_run:
            transaction.rollback()
