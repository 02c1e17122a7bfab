"""The API's database: one way to read, one to write. Errors become problems in ``http.errors``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import run_in_threadpool

from services.core.store.database.connect import ProcessName
from services.core.store.database.transactions import ReadingConnections, reading_pool, writing

Result = TypeVar("Result")

#: Connections of threads that stay open; a few explanations are asked for at a time.
_IDLE = 4


class Database:
    """Reads with a role that can do nothing else; writes configuration and requests only."""

    def __init__(self, url: str, *, connections: int, process: ProcessName = "api") -> None:
        self._url = url
        self._process = process
        self._pool = reading_pool(url, process=process, connections=connections)
        self._in_threads = ReadingConnections(url, process=process, idle=_IDLE)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Take a connection of the pool, in autocommit.

        What needs one state of the database for several statements opens a snapshot
        (``packing.opened``).
        """
        return self._pool.connect()

    async def read_in_thread(self, ask: Callable[[psycopg.Connection[Any]], Result]) -> Result:
        """Run what the aggregator asks in the same words, all of one state of the database."""

        def work() -> Result:
            with self._in_threads.reading() as connection:
                return ask(connection)

        return await run_in_threadpool(work)

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

        def work() -> Result:
            with writing(
                self._url, process=self._process, dry_run=dry_run, address=address
            ) as connection:
                return change(connection)

        return await run_in_threadpool(work)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.dispose()
        self._in_threads.close()
