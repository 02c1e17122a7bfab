"""Asks each cell again and again whether it answers, and lets go who waits for one that hangs.

A server that is gone refuses, and whoever asks is told. One that hangs refuses nothing: without
this, requests would wait for it one after the other until nobody else is served.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import psycopg
import structlog

from services.api.cells.all_cells import AllCells
from services.api.http.errors import DATABASE_ERRORS
from services.core.runtime.metrics import api_cell_cut
from services.core.store.cells.places import ping
from services.core.store.database import open_connections
from services.core.store.database.connect import connect_async

log = structlog.get_logger()

_EVERY_S: Final = 1.0
#: What takes longer counts as away: nobody waits for it, or asks it for anything more.
_ANSWERS_WITHIN_S: Final = 3.0
#: A process that was busy itself takes a look at what came meanwhile.
_LOOKS_AGAIN_S: Final = 0.1
#: After so much longer its connections are cut, and threads that wait for them are free.
_CUT_AFTER_S: Final = 2.0


class Pulse:
    """Knows of one cell whether it answers, by a connection of its own."""

    def __init__(self, cells: AllCells, name: str) -> None:
        self._cells = cells
        self._name = name
        self._url = cells.contexts[name].settings.database
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def watch(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(_EVERY_S)
        finally:
            await self._let_go()

    async def _look(self) -> None:
        asking = asyncio.create_task(self._ask())
        try:
            await asyncio.wait({asking}, timeout=_ANSWERS_WITHIN_S)
            await asyncio.wait({asking}, timeout=_LOOKS_AGAIN_S)
            if not asking.done():
                self._cells.hangs(self._name)
                await asyncio.wait({asking}, timeout=_CUT_AFTER_S)
            if not asking.done():
                self._cut()
        finally:
            if not asking.done():
                # a statement that is cancelled waits for the server's consent
                if self._connection is None:
                    asking.cancel()
                else:
                    open_connections.shut_down(self._connection)
            (error,) = await asyncio.gather(asking, return_exceptions=True)
        if error is None:
            self._cells.alive(self._name)
            return
        await self._let_go()
        if not isinstance(error, (*DATABASE_ERRORS, asyncio.CancelledError)):
            raise error
        self._cells.silent(self._name)

    async def _ask(self) -> None:
        if self._connection is None:
            self._connection = await connect_async(
                self._url, process="api", role="tonne_read", autocommit=True, any_schema=True
            )
        await ping(self._connection)

    def _cut(self) -> None:
        if ended := open_connections.cut(self._url):
            log.warning("cell_hangs", cell=self._name, connections=ended)
            api_cell_cut.labels(self._name).inc(ended)

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
