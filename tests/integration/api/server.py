"""Serves the API on a real port, in the test's own process and event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from services.api.serving import server_config
from services.core.runtime import tasks
from tests.patience import PATIENCE_S


class Unsignalled(uvicorn.Server):
    """Leaves the signals to pytest, and stops as soon as it is asked to.

    uvicorn looks ten times a second whether it should, and gives connections a tenth of a second;
    a thousand tests start a server each.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._asked_to_stop = asyncio.Event()

    def stop(self) -> None:
        """Ask it to stop."""
        self.should_exit = True
        self._asked_to_stop.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(super().main_loop())
        asked = asyncio.create_task(self._asked_to_stop.wait())
        await asyncio.wait((ticking, asked), return_when=asyncio.FIRST_COMPLETED)
        ticking.cancel()
        asked.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for accepting in (*self.servers, *(sockets or ())):
            accepting.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # an idle connection is gone within a round or two of the loop
        for _ in range(3):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._wait_tasks_to_complete()
        except TimeoutError:
            await tasks.end(*self.server_state.tasks)
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(app: FastAPI, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve ``app`` on a free port, with the limits of its settings; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Unsignalled(server_config(app, app.state.context.settings, tls))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                assert not task.done(), task
                await asyncio.sleep(0.01)
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.state.context.feed.close()
        server.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
        listener.close()


@contextmanager
def serving_in_thread(app: FastAPI) -> Iterator[str]:
    """Serve ``app`` in a thread of its own, for clients that block; yields its address."""
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    place: list[str] = []

    async def serve() -> None:
        async with serving(app) as address:
            place.append(address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(PATIENCE_S)
        yield place[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
