from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.admission.connections import STREAM_BUFFER_BYTES
from services.api.app import create_app
from services.api.http.problems import TooManyStreams
from services.api.live.events import LiveEvent
from services.api.live.feed import Pace
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.integration.api.plant import FULL, announce, at, found, minutes, roll
from tests.integration.api.server import serving
from tests.kernel_queues import queues_of
from tests.patience import PATIENCE_S
from tests.services import as_login, free_port

Connection = psycopg.Connection[Any]


async def events(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Events of a stream; comments are left out."""
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value
        elif event:
            yield event
            event = {}


async def event_of(stream: AsyncIterator[dict[str, str]], sequence: int) -> dict[str, str]:
    """Return the first event of a state.

    The one before comes again as a minute begins, and once the API listens to its database.
    """
    async for event in stream:
        if json.loads(event["data"])["sequence"] == sequence:
            return event
    pytest.fail(f"the stream ended before it told of {sequence}")


async def rest_of(stream: AsyncIterator[dict[str, str]]) -> set[str]:
    """Return the kinds of events until a stream ends; one may be on its way when it is to end."""
    return {event["event"] async for event in stream}


async def test_the_first_event_comes_at_once_and_the_next_on_a_change(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz")
    minute = clock.instant.replace(second=0)
    minutes(connection, plant.sources["stack-1"], [(minute, 2.0, FULL)])
    roll(connection, plant, minute)
    announce(connection, plant)
    async with (
        asyncio.timeout(PATIENCE_S),
        client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        first = await anext(stream)
        assert first["event"] == "live"
        assert json.loads(first["data"])["rate_kg_h"] == pytest.approx(120.0)
        assert first["id"]
        minutes(connection, plant.sources["stack-1"], [(minute, 3.0, FULL)])
        roll(connection, plant, minute)
        announce(connection, plant)
        async for event in stream:
            body = json.loads(event["data"])
            if body["rate_kg_h"] == pytest.approx(180.0):
                assert body["totals"]["1h"]["co2_kg"] == 3.0
                assert event["id"] != first["id"]
                return


async def test_each_facility_has_its_own_stream_and_all_viewers_the_same_body(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    linz, graz = found(connection, "linz"), found(connection, "graz")
    async with asyncio.timeout(PATIENCE_S):
        async with (
            client.stream("GET", "/v1/stream", params={"facility": "linz"}) as one,
            client.stream("GET", "/v1/stream", params={"facility": "linz"}) as two,
            client.stream("GET", "/v1/stream", params={"facility": "graz"}) as other,
        ):
            streams = [events(one), events(two), events(other)]
            bodies = [json.loads((await anext(stream))["data"]) for stream in streams]
            assert [b["facility"] for b in bodies] == ["linz", "linz", "graz"]
            assert bodies[0] == bodies[1]
            announce(connection, graz)
            await event_of(streams[2], 1)
            announce(connection, linz)
            first, second = await event_of(streams[0], 1), await event_of(streams[1], 1)
            assert first == second


async def test_a_client_that_comes_back_gets_the_present_state_at_once(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz")
    announce(connection, plant)
    async with (
        asyncio.timeout(PATIENCE_S),
        client.stream(
            "GET", "/v1/stream", params={"facility": "linz"}, headers={"Last-Event-ID": "0-1"}
        ) as response,
    ):
        event = await anext(events(response))
        assert json.loads(event["data"])["sequence"] == 1


async def test_time_moves_on_without_data(
    settings: Settings, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz")
    minute = clock.instant.replace(second=0)
    minutes(connection, plant.sources["stack-1"], [(minute, 2.0, FULL)])
    app = create_app(settings, clock=clock, pace=Pace(longest_pause_s=0.2))
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
        client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response,
    ):
        stream = events(response)
        assert json.loads((await anext(stream))["data"])["rate_kg_h"] == pytest.approx(120.0)
        clock.instant = at("2026-11-23T18:30:00Z")
        async for event in stream:
            if json.loads(event["data"])["rate_kg_h"] is None:
                return


async def test_a_stream_ends_with_its_life_and_with_the_server(
    settings: Settings, connection: Connection
) -> None:
    found(connection, "linz")
    short = create_app(settings, pace=Pace(life_s=0.5))
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(short) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        # connections are open, and its life is not spent on them
        (await client.get("/v1/live", params={"facility": "linz"})).raise_for_status()
        async with client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response:
            assert await rest_of(events(response)) == {"live"}
    app = create_app(settings)
    async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(timeout=PATIENCE_S) as client:
        async with serving(app) as address:
            request = client.build_request("GET", f"{address}/v1/stream?facility=linz")
            response = await client.send(request, stream=True)
            stream = events(response)
            await anext(stream)
        # leaving the block stops the server, which does not wait for the stream
        assert await rest_of(stream) <= {"live"}
        await response.aclose()


async def test_only_so_many_streams_are_open(settings: Settings, connection: Connection) -> None:
    found(connection, "linz")
    app = create_app(settings, pace=Pace(max_streams=1))
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
        client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response,
    ):
        stream = events(response)
        await anext(stream)
        refused = await client.get("/v1/stream", params={"facility": "linz"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:tonne:problem:too-many-streams"
        assert (await client.get("/v1/live", params={"facility": "linz"})).status_code == 200


async def test_a_stream_ends_with_its_key_and_no_other_does(
    database_url: str, connection: Connection
) -> None:
    found(connection, "linz")
    names = ("revoked", "expires", "stays")
    made = {name: keys.create(connection, name=name) for name in names}
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        streams = {}
        for name, key in made.items():
            request = client.build_request(
                "GET", "/v1/stream?facility=linz", headers={"Authorization": f"Bearer {key}"}
            )
            response = await client.send(request, stream=True)
            assert response.status_code == 200, name
            streams[name] = events(response)
            await anext(streams[name])
        (id_,) = [key.id for key in keys.list_keys(connection) if key.name == "revoked"]
        keys.revoke(connection, id_)
        connection.execute(
            "UPDATE api_key SET expires_at = now() + interval '1 second' WHERE name = 'expires'"
        )
        for name in ("revoked", "expires"):
            assert await rest_of(streams[name]) <= {"live"}, name
        connection.execute("SELECT pg_notify('tonne_live', 'linz')")
        assert (await anext(streams["stays"]))["event"] == "live"


async def test_a_stream_outlives_its_database_connection(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz")
    async with (
        asyncio.timeout(PATIENCE_S),
        client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response,
    ):
        stream = events(response)
        await anext(stream)
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'tonne.api %' AND datname = current_database()"
        )
        announce(connection, plant)
        await event_of(stream, 1)


async def test_an_unknown_facility_has_no_stream(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/stream", params={"facility": "nowhere"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_signal_ends_the_process_at_once_with_open_streams(
    database_url: str, connection: Connection
) -> None:
    found(connection, "linz")
    port = free_port()
    program = (
        "import sys; from pydantic import SecretStr; from services.api.app import run;"
        " from services.core.runtime.settings import Settings; raise SystemExit(run(Settings("
        f"database_url=SecretStr({as_login(database_url, 'tonne_api')!r}), api_auth='off',"
        f" api_port={port})))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(timeout=PATIENCE_S) as client:
            while True:
                with suppress(httpx.ConnectError):
                    await client.get(f"http://127.0.0.1:{port}/healthz")
                    break
                await asyncio.sleep(0.05)
            url = f"http://127.0.0.1:{port}/v1/stream?facility=linz"
            async with client.stream("GET", url) as response:
                stream = events(response)
                await anext(stream)
                process.terminate()
                assert await rest_of(stream) <= {"live"}
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_client_that_does_not_read_is_cut_and_others_are_not_held_up(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = found(connection, "linz")
    settings = settings.model_copy(update={"api_stall_timeout_s": 1.0})
    app = create_app(settings, pace=Pace(least_pause_s=0.01, max_streams=2))
    feed = app.state.context.feed
    number = 0

    async def large(_facility: str) -> LiveEvent:
        nonlocal number
        number += 1
        return LiveEvent(id=str(number), body=b"%d %b" % (number, b"x" * 4_000_000))

    def is_full() -> bool:
        with suppress(TooManyStreams):
            feed.admit()
            return False
        return True

    # more than what the system takes for a client that reads nothing
    monkeypatch.setattr(feed, "_read", large)
    async with (
        asyncio.timeout(PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        place = urlsplit(address)
        async with client.stream("GET", "/v1/stream", params={"facility": "linz"}) as response:
            stream = events(response)
            await anext(stream)
            reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1)
            writer.write(b"GET /v1/stream?facility=linz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            # the other one reads on all the while
            for ends in (is_full, lambda: not is_full()):
                while not ends():
                    announce(connection, plant)
                    await anext(stream)
                    # Linux counts twice what it is told to hold
                    held = [queues.sending for queues in queues_of(place.port or 0)]
                    assert max(held, default=0) <= 2 * STREAM_BUFFER_BYTES
            # nothing is held for it any more
            with pytest.raises(ConnectionResetError):
                await reader.read()
            announce(connection, plant)
            await anext(stream)
            writer.close()
