"""Connections that send nothing, a little, too much, or never read; over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from services.api.app import create_app
from services.core.runtime.settings import Settings
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S

#: No test asks the database for anything.
NOWHERE = "postgresql://tonne@127.0.0.1:1/tonne"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served(**given: Any) -> AsyncIterator[tuple[str, int]]:
    settings = Settings(database_url=NOWHERE, **given)  # type: ignore[arg-type]
    async with asyncio.timeout(PATIENCE_S), serving(create_app(settings)) as address:
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


async def answer(streams: Streams) -> tuple[int, dict[str, Any]]:
    """What comes until the server closes, as status and problem."""
    said = await streams[0].read()
    await _close(streams)
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower(), said
    assert b"content-type: application/problem+json" in head.lower()
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"],
    ids=["nothing", "half a line", "no end"],
)
async def test_a_head_that_does_not_arrive_is_not_waited_for(sent: bytes) -> None:
    async with served(api_header_timeout_s=0.3) as place:
        streams = await asyncio.open_connection(*place)
        streams[1].write(sent)
        status, problem = await answer(streams)
    assert (status, problem["type"]) == (408, "urn:tonne:problem:request-timeout")
    assert "head" in problem["detail"]


async def test_a_head_that_trickles_has_no_more_time() -> None:
    async with served(api_header_timeout_s=0.5) as place:
        reader, writer = await asyncio.open_connection(*place)

        async def trickle() -> None:
            number = 0
            while not writer.is_closing():
                number += 1
                writer.write(f"X-{number}: a\r\n".encode() if number > 1 else b"GET / HTTP/1.1\r\n")
                await asyncio.sleep(0.02)

        sending = asyncio.create_task(trickle())
        try:
            assert (await answer((reader, writer)))[0] == 408
        except ConnectionResetError:
            # what is sent to a closed connection is answered so, and may overtake the answer
            writer.close()
        sending.cancel()


async def test_a_second_head_on_a_connection_has_its_time_too() -> None:
    async with served(api_header_timeout_s=0.3) as place:
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')
        writer.write(b"GET /healthz HTT")
        assert (await answer((reader, writer)))[0] == 408


@pytest.mark.parametrize("together", [True, False], ids=["with the head", "later"])
async def test_a_body_that_does_not_arrive_is_not_waited_for(together: bool) -> None:
    async with served(api_body_timeout_s=0.3) as place:
        streams = await asyncio.open_connection(*place)
        streams[1].write(b"PUT /v1/facilities/x HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Length: 1000\r\n\r\n" + (b"{" if together else b""))  # fmt: skip
        if not together:
            await asyncio.sleep(0.05)
            streams[1].write(b"{")
        status, problem = await answer(streams)
    assert status == 408
    assert "body" in problem["detail"]


async def test_a_body_behind_another_request_has_its_time_too() -> None:
    async with served(api_body_timeout_s=0.3) as place:
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     b"PUT /v1/facilities/x HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 1000\r\n\r\n{")  # fmt: skip
        said = await reader.read()
        writer.close()
    assert said.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 408" in said


async def test_an_answer_that_nobody_reads_is_cut() -> None:
    async with served(api_stall_timeout_s=0.3) as place:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, place)
            # of half a megabyte each, more than the buffers of the system hold
            await loop.sock_sendall(
                slow,
                b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n"
                b"Accept-Encoding: identity\r\n\r\n" * 20,
            )
            address = f"http://{place[0]}:{place[1]}"
            async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
                text = ""
                while "tonne_api_connections 1.0" not in text:
                    text = (await client.get("/metrics")).text


async def test_connections_of_one_address_and_of_all_are_bounded() -> None:
    for given, says in (
        ({"api_connections_per_address": 3}, "This address"),
        ({"api_connections": 10}, "The API"),
    ):
        limit = next(iter(given.values()))
        async with served(**given) as place:
            held = [await asyncio.open_connection(*place) for _ in range(limit)]
            status, problem = await answer(await asyncio.open_connection(*place))
            assert (status, problem["type"]) == (503, "urn:tonne:problem:too-many-connections")
            assert says in problem["detail"]
            await _close(held.pop())
            said = b""
            while b"200 OK" not in said:
                streams = await asyncio.open_connection(*place)
                streams[1].write(b"GET /healthz HTTP/1.0\r\n\r\n")
                said = await streams[0].read()
                await _close(streams)
            for each in held:
                await _close(each)


async def _close(streams: Streams) -> None:
    streams[1].close()
    await streams[1].wait_closed()


async def test_only_a_proxy_that_is_trusted_says_whom_it_speaks_for() -> None:
    async def forwarded(client: httpx.AsyncClient, number: int) -> int:
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        return (await client.get("/", headers=headers)).status_code

    for trusted, expected in (("", 429), ("127.0.0.0/8", 200)):
        given = {"api_trusted_proxies": trusted, "api_requests_per_minute": 60}
        async with (
            served(**given) as place,
            httpx.AsyncClient(
                base_url=f"http://{place[0]}:{place[1]}", timeout=PATIENCE_S
            ) as client,
        ):
            codes = [await forwarded(client, number) for number in range(120)]
            assert (429 in codes) == (expected == 429)


async def test_what_is_too_long_or_no_http_is_a_problem_too() -> None:
    async with served(api_header_bytes=2000) as place:
        for sent, status, kind in (
            (b"GET /?" + b"a" * 3000 + b" HTTP/1.1\r\n", 431, "head-too-large"),
            (b"GET / HTTP/1.1\r\nX: " + b"a" * 3000, 431, "head-too-large"),
            (b"\x16\x03\x01 hello, is this TLS?\r\n\r\n", 400, "malformed"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed"),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed"),
        ):
            streams = await asyncio.open_connection(*place)
            streams[1].write(sent)
            found, problem = await answer(streams)
            assert (found, problem["type"]) == (status, f"urn:tonne:problem:{kind}"), sent[:40]


async def test_a_connection_is_kept_for_whoever_asks_again_within_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    true_time, ahead_s = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: true_time() + ahead_s)
    settings = Settings(database_url=NOWHERE)  # type: ignore[call-arg]
    async with serving(create_app(settings)) as address:
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for _ in range(2):
            ahead_s += 60.0
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
        ahead_s += 90.0
        assert await reader.read() == b""
        writer.close()
