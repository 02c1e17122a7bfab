"""One reader who asks for everything, others who ask for a little; the real server and database.

Long reads are made by a lock on the table of readings: they last until the test lets them go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.database import connect
from services.core.store.operations import keys
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.integration.api.test_auth import bearer
from tests.patience import PATIENCE_S, until_async
from tests.services import as_login

Connection = psycopg.Connection[Any]

pytestmark = pytest.mark.usefixtures("plant")

READ_HOURS = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-23T02:00:00Z"}


@pytest.fixture
def plant(connection: Connection) -> None:
    """A facility with a channel of 1500 readings."""
    plant = found(connection, "linz")
    row = connection.execute(
        "INSERT INTO device (facility_id, slug, spec) VALUES (%s, 'cems-1', '{}') RETURNING id",
        (plant.facility_id,),
    ).fetchone()
    assert row is not None
    channel = connection.execute(
        "INSERT INTO channel (device_id, slug, quantity, unit, kind, spec)"
        " VALUES (%s, 'co2', 'fraction', '%%', 'gauge', '{}') RETURNING id",
        row,
    ).fetchone()
    connection.execute(
        "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
        " SELECT TIMESTAMPTZ '2026-11-23T00:00:00Z' + make_interval(secs => n), n, now(), %s, 0, 0"
        " FROM generate_series(1, 1500) AS n",
        channel,
    )


@pytest.fixture(autouse=True)
def _reads_may_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_READ_TIMEOUT_MS", int(3000 * PATIENCE_S))


@contextmanager
def long_reads(database_url: str) -> Iterator[None]:
    """While it lasts whoever reads readings waits."""
    with psycopg.connect(database_url) as locking:
        locking.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def served(
    database_url: str, **given: Any
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    # on a busy machine a test takes longer than others may wait
    patient = {"api_longest_wait_s": 3 * PATIENCE_S, "api_request_timeout_s": 3 * PATIENCE_S}
    app = create_app(
        Settings(
            database_url=SecretStr(as_login(database_url, "tonne_api")), **{**patient, **given}
        )
    )
    limits = httpx.Limits(max_connections=300)
    async with (
        asyncio.timeout(PATIENCE_S * 3),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S, limits=limits) as client,
    ):
        yield app, client


def reading_now(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'tonne.api %' AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def read(client: httpx.AsyncClient, key: str, **more: Any) -> asyncio.Task[httpx.Response]:
    return asyncio.ensure_future(
        client.get("/v1/readings", params={**READ_HOURS, **more}, headers=bearer(key))
    )


def says(response: httpx.Response, status: int, kind: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["type"] == f"urn:tonne:problem:{kind}"
    return str(response.json()["detail"])


async def test_one_who_reads_all_there_is_holds_up_nobody_else(
    database_url: str, connection: Connection
) -> None:
    greedy = keys.create(connection, name="greedy")
    other = keys.create(connection, name="other")
    async with served(database_url) as (app, client):
        # a key counts for itself once it was found right
        assert (await client.get("/v1/facilities", headers=bearer(greedy))).status_code == 200
        turns = app.state.context.gate.turns
        with long_reads(database_url):
            attack = [read(client, greedy) for _ in range(24)]
            await until_async(lambda: turns.waiting == 20, "four are at work, the others wait")
            await until_async(lambda: reading_now(connection) == 4, "they wait in the database")
            for _ in range(10):
                for path in ("/v1/thresholds", "/v1/maintenance", "/v1/alerts"):
                    # the greedy one's other calls are answered too
                    for key in (other, greedy):
                        answer = await client.get(path, headers=bearer(key))
                        assert answer.status_code == 200
            mine = read(client, other)
            await until_async(
                lambda: reading_now(connection) == 5, "another's long read is at work"
            )
            assert turns.waiting == 20
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).json()["database"] is True
        done = await asyncio.gather(*attack, mine)
        assert [answer.status_code for answer in done] == [200] * 25


async def test_who_has_too_many_waiting_is_told_so(
    database_url: str, connection: Connection
) -> None:
    greedy = keys.create(connection, name="greedy")
    async with served(database_url, api_waiting_per_key=3) as (app, client):
        await client.get("/v1/alerts", headers=bearer(greedy))
        turns = app.state.context.gate.turns
        with long_reads(database_url):
            held = [read(client, greedy) for _ in range(7)]
            await until_async(lambda: turns.waiting == 3, "four are at work, three wait")
            assert "fewer" in says(await read(client, greedy), 429, "too-many-requests")
        assert [(await task).status_code for task in held] == [200] * 7


async def test_nobody_waits_for_ever(database_url: str, connection: Connection) -> None:
    greedy = keys.create(connection, name="greedy")
    async with served(database_url, api_longest_wait_s=1) as (_, client):
        await client.get("/v1/alerts", headers=bearer(greedy))
        with long_reads(database_url):
            held = [read(client, greedy) for _ in range(6)]
            await until_async(
                lambda: sum(task.done() for task in held) == 2, "two waited long enough"
            )
            for task in held:
                if task.done():
                    assert "try again" in says(task.result(), 503, "busy")
        assert sorted([(await task).status_code for task in held]) == [200] * 4 + [503] * 2


async def test_a_read_that_nobody_waits_for_or_that_takes_too_long_ends(
    database_url: str, connection: Connection
) -> None:
    key = keys.create(connection, name="k")
    async with served(database_url) as (_, client):
        with long_reads(database_url):
            task = read(client, key)
            await until_async(lambda: reading_now(connection) == 1, "it waits in the database")
            task.cancel()
            await until_async(lambda: reading_now(connection) == 0, "it has ended there")
        assert (await read(client, key)).status_code == 200
    async with served(database_url, api_request_timeout_s=3) as (_, client):
        with long_reads(database_url):
            assert "shorter" in says(await read(client, key), 503, "too-slow")
            await until_async(
                lambda: reading_now(connection) == 0, "it has ended in the database too"
            )
        assert (await read(client, key)).status_code == 200


async def test_requests_of_a_minute_are_counted_for_each_key(
    database_url: str, connection: Connection
) -> None:
    greedy, other = (keys.create(connection, name=name) for name in ("greedy", "other"))
    async with served(database_url, api_requests_per_minute=60) as (_, client):
        codes = [
            (await client.get("/v1/facilities", headers=bearer(greedy))).status_code
            for _ in range(100)
        ]
        assert codes[:60] == [200] * 60
        assert 429 in codes
        refused = await client.get("/v1/facilities", headers=bearer(greedy))
        while refused.status_code != 429:
            refused = await client.get("/v1/facilities", headers=bearer(greedy))
        assert "TONNE_API_REQUESTS_PER_MINUTE" in says(refused, 429, "too-many-requests")
        assert (await client.get("/v1/facilities", headers=bearer(other))).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert 'status="429"' in (await client.get("/metrics")).text


async def test_rows_of_a_minute_are_counted_for_each_key(
    database_url: str, connection: Connection
) -> None:
    greedy, other = (keys.create(connection, name=name) for name in ("greedy", "other"))
    async with served(database_url, api_rows_per_minute=2000) as (_, client):
        for _number in range(2):
            assert len((await read(client, greedy, max_points=5000)).json()) == 1500
        detail = says(await read(client, greedy), 429, "too-many-requests")
        assert "TONNE_API_ROWS_PER_MINUTE" in detail
        assert (await read(client, other)).status_code == 200


async def test_who_tries_keys_is_slowed_down_and_known_keys_at_the_same_address_are_not(
    database_url: str, connection: Connection
) -> None:
    known = keys.create(connection, name="known")
    async with served(database_url, api_wrong_keys_per_minute=5) as (_, client):
        assert (await client.get("/v1/facilities", headers=bearer(known))).status_code == 200
        answers = [
            await client.get("/v1/facilities", headers=bearer(f"tonne_{number}"))
            for number in range(20)
        ]
        assert [answer.status_code for answer in answers[:5]] == [401] * 5
        assert "tonne keys create" in says(answers[-1], 429, "too-many-requests")
        assert (await client.get("/v1/facilities", headers=bearer(known))).status_code == 200


async def test_one_key_holds_its_share_of_streams_and_no_more(
    database_url: str, connection: Connection
) -> None:
    greedy, other = (keys.create(connection, name=name) for name in ("greedy", "other"))
    async with served(database_url, api_streams_per_key=2) as (app, client):

        async def stream(key: str) -> httpx.Response:
            request = client.build_request("GET", "/v1/stream?facility=linz", headers=bearer(key))
            return await client.send(request, stream=True)

        opened = [await stream(greedy), await stream(greedy)]
        refused = await stream(greedy)
        await refused.aread()
        assert "close some" in says(refused, 429, "too-many-streams")
        opened.append(await stream(other))
        assert [answer.status_code for answer in opened] == [200, 200, 200]
        await opened.pop(0).aclose()
        gate = app.state.context.gate
        await until_async(lambda: sum(gate._streams.values()) == 2, "its place is free again")
        opened.append(await stream(greedy))
        assert opened[-1].status_code == 200
        for answer in opened:
            await answer.aclose()
        await until_async(lambda: not gate._streams, "all are free again")


async def test_honest_users_meet_no_limit(database_url: str) -> None:
    """Without keys all of them are one address: ten tabs, Grafana's panels, an auditor's script."""
    async with served(database_url, api_auth="off") as (_, client):
        streams = [
            await client.send(client.build_request("GET", "/v1/stream?facility=linz"), stream=True)
            for _ in range(10)
        ]
        assert {answer.status_code for answer in streams} == {200}
        paths = ["/v1/emissions", "/v1/readings", "/v1/live?facility=linz", "/v1/annotations"]
        answers = await asyncio.gather(*(client.get(path) for path in paths * 40))
        assert {answer.status_code for answer in answers} == {200}
        for answer in streams:
            await answer.aclose()
