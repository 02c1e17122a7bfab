"""Serves the API on a real port, in the test's own process and event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from services.api.serving import server_config
from tests.patience import PATIENCE_S


class Unsignalled(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve ``app`` on a free port, with the limits of its settings; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Unsignalled(server_config(app, app.state.context.settings))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                assert not task.done(), task
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.state.context.feed.close()
        server.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            await task
        listener.close()
