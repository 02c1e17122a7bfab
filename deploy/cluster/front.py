"""One address before servers of which any will do, as a load balancer is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Final

_CHUNK_BYTES: Final = 65_536
_CONNECT_S: Final = 1.0


class Front:
    """Forwards each connection to the next server that accepts one, on a thread of its own.

    ``listens`` may be of another network namespace than the servers.
    """

    def __init__(self, listens: socket.socket, servers: Sequence[tuple[str, int]]) -> None:
        self._servers = servers
        self._next = 0
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listens,), daemon=True)
        self.port: int = listens.getsockname()[1]
        self._thread.start()

    def close(self) -> None:
        """Forward nothing more."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(timeout=5)

    def _run(self, listens: socket.socket) -> None:
        # it cancels what is forwarded, and closes the loop
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listens))

    async def _serve(self, listens: socket.socket) -> None:
        async with await asyncio.start_server(self._forward, sock=listens):
            await self._closing.wait()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            opened = await self._connect()
            if opened is None:
                return
            onward_reader, onward = opened
            pumps = [
                asyncio.ensure_future(_pump(reader, onward)),
                asyncio.ensure_future(_pump(onward_reader, writer)),
            ]
            try:
                # either end closing closes the other
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                onward.transport.abort()
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._servers:
            host, port = self._servers[self._next % len(self._servers)]
            self._next += 1
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_S):
                    return await asyncio.open_connection(host, port)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
