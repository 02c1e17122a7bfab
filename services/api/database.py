"""The API's database: one way to read, one to write. Errors become problems in ``http.errors``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import run_in_threadpool

from services.api.presence import Presence
from services.api.standby import Standby, place
from services.core.store.database.process_names import ProcessName
from services.core.store.database.transactions import ReadingConnections, reading_pool, writing

Result = TypeVar("Result")

#: Connections of threads that stay open; a few explanations are asked for at a time.
_IDLE = 4


class Database:
    """Reads with a role that can do nothing else; writes configuration and requests only."""

    def __init__(
        self,
        url: str,
        *,
        connections: int,
        process: ProcessName = "api",
        standby: Standby | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._url = url
        self._presence = presence
        self._standby = standby
        self._process = process
        self._pool = reading_pool(url, process=process, connections=connections)
        self._in_threads = ReadingConnections(url, process=process, idle=_IDLE)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Take a connection of the pool, in autocommit.

        What needs one state of the database for several statements opens a snapshot
        (``packing.opened``). Where a request only reads, it may be one state of a standby.

        :raises HangingError: the database takes connections and answers nothing.
        """
        self._check()
        if self._standby is None or not self._standby.may_serve():
            return self._pool.connect()
        return self._standby.read(self._pool.connect)

    def read_at_primary(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """As :meth:`read`, of what no standby is asked: who may do what."""
        self._check()
        return self._pool.connect()

    async def read_in_thread(self, ask: Callable[[psycopg.Connection[Any]], Result]) -> Result:
        """Run what the aggregator asks in the same words, all of one state of the database."""
        self._check()

        def work() -> Result:
            with self._in_threads.reading() as connection:
                return ask(connection)

        async def at_primary() -> Result:
            return await run_in_threadpool(work)

        if self._standby is None or not self._standby.may_serve():
            return await at_primary()
        return await self._standby.read_in_thread(ask, at_primary)

    async def write(
        self,
        change: Callable[[Connection], Result],
        *,
        address: str,
        dry_run: bool = False,
    ) -> Result:
        """Run ``change`` in a transaction of its own; with ``dry_run`` that is rolled back.

        ``address``: of the client, for the audit log.
        """
        if (request := place.get()) is not None:
            # what begins anew at the primary must not have written
            request.at_primary = True
        self._check()

        def work() -> Result:
            with writing(
                self._url, process=self._process, dry_run=dry_run, address=address
            ) as connection:
                return change(connection)

        return await run_in_threadpool(work)

    def _check(self) -> None:
        if self._presence is not None:
            self._presence.check()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.dispose()
        self._in_threads.close()
        if self._standby is not None:
            await self._standby.close()
