"""Proxies that understand what goes through them, and hold it at a named step.

What a process does next it says on a connection: a statement to the database, a packet to the
broker. So its steps can be told apart, and stopped, without a line of test code in it. A step is
stopped before what it says has got anywhere, or after it was carried out and before its sender has
heard so.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

from tests.faults.proxy import Proxy

_SSL_REQUEST: Final = 80_877_103
_GSS_REQUEST: Final = 80_877_104

#: So much of a statement tells it from others.
_LONGEST_TEXT: Final = 300

#: A packet, and what it says: "" where that is nothing to stop at.
Packet = tuple[bytes, str]


class Stop:
    """Where a process is to be stopped once; it goes on when it is let go, or its line is cut."""

    def __init__(self, pattern: str, *, after: bool) -> None:
        """``pattern``: of what it says; ``after``: when that was carried out."""
        self.pattern = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        self.after = after
        #: what it said, and what the beginning of the answer was that it did not hear
        self.text = ""
        self.answer = b""
        self.reached = threading.Event()
        self.is_taken = False
        self.goes_on = asyncio.Event()
        self.line: Line | None = None


class Line:
    """One connection."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers
        #: cleared: answers stay here
        self.answering = asyncio.Event()
        self.answering.set()
        self.stop: Stop | None = None

    def cut(self) -> None:
        """Break both ends."""
        for writer in self.writers:
            writer.transport.abort()


class Wire(Proxy):
    """A proxy that cuts what its clients say into packets by a ``language``."""

    def __init__(
        self, target: int, language: Callable[[asyncio.StreamReader], AsyncIterator[Packet]]
    ) -> None:
        self._language = language
        self._stops: list[Stop] = []
        #: everything that was said, if anybody wants to know
        self.heard: Callable[[str], None] | None = None
        #: packets that had to wait for a line that let nothing through
        self.delayed = 0
        super().__init__(target)

    def stop_at(self, pattern: str, *, after: bool = False) -> Stop:
        """Stop the next one who says what the pattern matches."""
        stop = Stop(pattern, after=after)
        self._loop.call_soon_threadsafe(self._stops.append, stop)
        return stop

    def let_go(self, stop: Stop) -> None:
        """Let whoever was stopped go on, and stop nobody there any more."""
        self._loop.call_soon_threadsafe(self._let_go, stop)

    def hang_up(self, stop: Stop) -> None:
        """Break the connection of whoever was stopped: what was held back is never heard."""
        self._loop.call_soon_threadsafe(self._hang_up, stop)

    def _let_go(self, stop: Stop) -> None:
        stop.goes_on.set()
        if stop.line is not None:
            stop.line.answering.set()
        if stop in self._stops:
            self._stops.remove(stop)

    def _hang_up(self, stop: Stop) -> None:
        if stop.line is not None:
            stop.line.cut()
        self._let_go(stop)

    async def _converse(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        line = Line((near[1], far[1]))
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(self._forward_packets(line, near[0], far[1]))
            pumps.create_task(self._forward_answers(line, far[0], near[1]))

    async def _forward_packets(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async for packet, text in self._language(reader):
                self.delayed += not self._flowing.is_set()
                await self._flowing.wait()
                stop = self._stop_for(text)
                if stop is not None:
                    line.stop, stop.line, stop.text = stop, line, text
                    if stop.after:
                        line.answering.clear()
                    else:
                        stop.reached.set()
                        await stop.goes_on.wait()
                writer.write(packet)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.transport.abort()

    async def _forward_answers(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while chunk := await reader.read(65_536):
                # what waits for this answer sends nothing meanwhile
                self.delayed += not self._flowing.is_set()
                await self._flowing.wait()
                if not line.answering.is_set() and line.stop is not None:
                    line.stop.answer = chunk
                    line.stop.reached.set()
                    await line.answering.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    def _stop_for(self, text: str) -> Stop | None:
        if text and self.heard is not None:
            self.heard(text)
        for stop in self._stops if text else ():
            if not stop.is_taken and stop.pattern.search(text):
                stop.is_taken = True
                return stop
        return None


async def statements(reader: asyncio.StreamReader) -> AsyncIterator[Packet]:
    """Cut what a client tells PostgreSQL into messages; each says the statement that it runs.

    A COMMIT says the statements of its transaction, too.
    """
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        yield head + await reader.readexactly(length - 8), ""
        if code not in {_SSL_REQUEST, _GSS_REQUEST}:
            break
    prepared: dict[bytes, str] = {}
    transaction: list[str] = []
    while True:
        head = await reader.readexactly(5)
        body = await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
        text = ""
        if head[:1] == b"Q":
            text = _line(body[:-1])
        elif head[:1] == b"P":
            name, statement, _ = body.split(b"\0", 2)
            prepared[name] = _line(statement)
        elif head[:1] == b"B":
            _, name, _ = body.split(b"\0", 2)
            text = prepared.get(name, "")
        if text.startswith("BEGIN"):
            transaction.clear()
        elif text == "COMMIT":
            text = "\n".join([text, *transaction])
        elif text:
            transaction.append(text[:_LONGEST_TEXT])
        yield head + body, text


async def http_requests(reader: asyncio.StreamReader) -> AsyncIterator[Packet]:
    """Pass on what an HTTP client sends as it comes; the beginning of a request says its line."""
    while chunk := await reader.read(65_536):
        head = chunk.split(b"\r\n", 1)[0]
        yield chunk, _line(head) if head.endswith(b"HTTP/1.1") else ""


def _line(statement: bytes) -> str:
    return " ".join(statement.decode(errors="replace").split())


async def mqtt_packets(reader: asyncio.StreamReader) -> AsyncIterator[Packet]:
    """Cut what an MQTT client sends into packets; each says its kind."""
    kinds = {1: "CONNECT", 3: "PUBLISH", 4: "PUBACK", 8: "SUBSCRIBE", 10: "UNSUBSCRIBE",
             12: "PINGREQ", 14: "DISCONNECT"}  # fmt: skip
    while True:
        head = await reader.readexactly(1)
        length, shift = 0, 0
        while True:
            byte = await reader.readexactly(1)
            head += byte
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if not byte[0] & 0x80:
                break
        yield head + await reader.readexactly(length), kinds.get(head[0] >> 4, "")
