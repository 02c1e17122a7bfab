"""A light HTTP/1.1 client, so that what is measured is the answer and not who asks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and how long after it was due: seconds until the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float


@dataclass(kw_only=True)
class Connection:
    """A connection that is kept open; one question at a time."""

    port: int
    _reader: asyncio.StreamReader | None = field(default=None, repr=False)
    _writer: asyncio.StreamWriter | None = field(default=None, repr=False)

    async def get(
        self, path: str, *, due_s: float | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask; ``due_s``: when, by the monotonic clock, if that was before now."""
        began_s = time.monotonic() if due_s is None else due_s
        lines = [f"GET {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        is_kept = self._reader is not None
        try:
            reader = await self._send(request)
            status, answered = await self._head(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            if not is_kept:
                raise
            # the server may close an idle connection in the very moment in which it is used again:
            # who asked, and had no answer yet, asks once more (RFC 9112, 9.3.1)
            self.close()
            reader = await self._send(request)
            status, answered = await self._head(reader)
        body = await self._body(reader, status, answered)
        return Answer(status=status, headers=answered, body=body, took_s=time.monotonic() - began_s)

    async def _send(self, request: bytes) -> asyncio.StreamReader:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=1 << 24
            )
        self._writer.write(request)
        return self._reader

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        return int(head[0].split(" ")[1]), {k.lower(): v.strip() for k, _, v in pairs}

    @staticmethod
    async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> bytes:
        if status == 304:
            return b""
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
