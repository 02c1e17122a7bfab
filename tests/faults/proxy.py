"""A TCP proxy on loopback that can cut and stall what goes through it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress

_CHUNK_BYTES = 65_536


class Proxy:
    """Forwards connections to ``target`` on a thread of its own until it is closed."""

    def __init__(self, target: int) -> None:
        """``target``: the port of 127.0.0.1 that connections go on to."""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._forward, "127.0.0.1", 0)).result()
        self._loop.call_soon_threadsafe(self._flowing.set)

    @property
    def port(self) -> int:
        """Where to connect to."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Break every connection at once, as a router that restarts does."""
        self._loop.call_soon_threadsafe(self._abort)

    def stall(self) -> None:
        """Let nothing through and break nothing, as a network that hangs does."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    @property
    def is_stalled(self) -> bool:
        """Return whether nothing goes through."""
        return not self._flowing.is_set()

    def flow(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def close(self) -> None:
        """Break what is open and end the thread."""
        self._loop.call_soon_threadsafe(self._abort)
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._flowing.set()
            while left := asyncio.all_tasks(self._loop):
                # one that was still connecting has its other end only now
                self._abort()
                self._loop.run_until_complete(asyncio.wait(left, timeout=0.1))
            self._loop.close()

    def _call(self, work: asyncio._CoroutineLike[asyncio.Server]) -> Future[asyncio.Server]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._open.discard(writer)
            return
        self._open.add(onward)
        try:
            await self._converse((reader, writer), (onward_reader, onward))
        finally:
            for end in (writer, onward):
                self._open.discard(end)
                end.transport.abort()

    async def _converse(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Let both sides of a connection talk until either closes."""
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._pump(near[0], far[1]))
            pumps.create_task(self._pump(far[0], near[1]))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        # either end closing closes the other
        writer.transport.abort()
