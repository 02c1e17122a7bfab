"""One database that takes connections and answers nothing: the API refuses in time, and goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.api.live.feed import Pace
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.hanging import WAYS, Hanging, hanging
from tests.integration.api.cells_plant import NOW, fill
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, until_async
from tests.services import Postgres, as_login

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _a_busy_database_does_not_hang() -> None:
    """Be as patient as the API is."""


_NIGHT = {"measure": "rate", "above": 10.0, "severity": "info"}
#: Read by the loop, by threads, of what is shared, and written.
_CALLS = (
    ("GET", "/v1/facilities"),
    ("GET", "/v1/live?facility=linz"),
    ("GET", "/v1/explain?facility=linz&source=grid&hour=2026-11-23T17:00:00Z"),
    ("GET", "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h"),
    ("PUT", "/v1/thresholds/night?facility=linz"),
)
#: What needs no database.
_OTHERS = ("/healthz", "/metrics", "/", "/docs/index.html", "/v1/openapi.json")
#: What looks after it, its listener, its state, and those of streams and readiness.
_MOST_CONNECTIONS = 8
#: Of threads that wait for a database or work for others there are never more.
_MOST_THREADS = 60


@pytest.fixture(params=WAYS)
def database(
    request: pytest.FixtureRequest, postgres_cluster: Postgres, migrated_template: str
) -> Iterator[Hanging]:
    with hanging(request.param, postgres_cluster, migrated_template) as made:
        fill(made.url, ("linz", "graz"))
        yield made


@asynccontextmanager
async def _served(database: Hanging) -> AsyncIterator[httpx.AsyncClient]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        key = keys.create(connection, name="all", scopes=["admin"])
    settings = Settings(
        database_url=SecretStr(as_login(database.through, "tonne_api")),
        api_requests_per_minute=100_000,
    )
    app = create_app(
        settings, clock=FixedClock(NOW), health_holds_s=0, pace=Pace(longest_pause_s=1.0)
    )
    async with (
        asyncio.timeout(4 * PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(
            base_url=address,
            timeout=PATIENCE_S,
            headers={"Authorization": f"Bearer {key}"},
            limits=httpx.Limits(max_connections=200),
        ) as client,
    ):
        yield client


async def _asked(client: httpx.AsyncClient, times: int = 1) -> list[httpx.Response]:
    return await asyncio.gather(
        *(client.request(*call, json=_NIGHT) for call in _CALLS for _ in range(times))
    )


async def test_it_is_refused_in_time_what_needs_none_goes_on_and_it_comes_back_by_itself(
    database: Hanging,
) -> None:
    async with _served(database) as client:
        assert {answer.status_code for answer in await _asked(client)} == {200}
        database.hang()
        try:
            first = asyncio.create_task(_asked(client, times=12))
            while not first.done():
                for path in _OTHERS:
                    assert (await client.get(path)).status_code == 200, path
                await asyncio.sleep(0.1)
            # more than it serves at once; then those who ask while it hangs
            for answers in (first.result(), *[await _asked(client, times=12) for _ in range(3)]):
                for answer in answers:
                    assert answer.status_code == 503, answer.text
                    assert answer.json()["type"] == "urn:tonne:problem:database-away"
                    assert int(answer.headers["retry-after"]) > 0
                assert threading.active_count() <= _MOST_THREADS
            ready = await client.get("/readyz")
            assert (ready.status_code, ready.json()["database"]) == (503, False)
            assert 'tonne_api_cell_up{cell="home"} 0.0' in (await client.get("/metrics")).text
            await until_async(
                lambda: database.connections() <= _MOST_CONNECTIONS,
                "few connections wait for it",
                explain=lambda: f"{database.connections()} do",
            )
        finally:
            database.go_on()
        while (await client.get("/v1/facilities")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for answer in await _asked(client, times=12):
            assert answer.status_code == 200, answer.text
        assert (await client.get("/readyz")).json()["database"] is True


async def test_a_stream_says_that_it_lives_and_goes_on_when_the_database_does(
    database: Hanging,
) -> None:
    async with (
        _served(database) as client,
        client.stream("GET", "/v1/stream?facility=linz") as stream,
    ):
        lines = stream.aiter_lines()

        async def comes(begin: str) -> None:
            async for line in lines:
                if line.startswith(begin):
                    return
            pytest.fail("the stream ended")

        await comes("event: live")
        database.hang()
        try:
            for _ in range(3):
                await comes(":")
        finally:
            database.go_on()
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("UPDATE facility SET name = 'Changed' WHERE slug = 'linz'")
        await comes("event: live")


@pytest.mark.parametrize("database", WAYS[1:], indirect=True)
async def test_the_api_ends_while_it_hangs(database: Hanging) -> None:
    async with _served(database) as client:
        assert {answer.status_code for answer in await _asked(client)} == {200}
        async with client.stream("GET", "/v1/stream?facility=linz") as stream:
            await anext(stream.aiter_lines())
            database.hang()
            waiting = asyncio.gather(
                *(client.request(*call, json=_NIGHT) for call in _CALLS for _ in range(3)),
                return_exceptions=True,
            )
            await asyncio.sleep(0.5)
    # the server has ended; who still reads what it does not say any more need not go on
    waiting.cancel()
    await asyncio.wait({waiting})


async def test_a_lock_that_is_held_costs_those_who_wait_for_it_alone(
    database_url: str,
) -> None:
    fill(database_url, ("linz", "graz"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        key = keys.create(connection, name="all", scopes=["admin"])
    app = create_app(
        Settings(database_url=SecretStr(as_login(database_url, "tonne_api"))),
        clock=FixedClock(NOW),
        health_holds_s=0,
    )
    async with (
        asyncio.timeout(4 * PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(
            base_url=address, timeout=PATIENCE_S, headers={"Authorization": f"Bearer {key}"}
        ) as client,
    ):
        with psycopg.connect(database_url) as holder:
            holder.execute("LOCK TABLE threshold IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.gather(*(client.request(*_CALLS[-1], json=_NIGHT) for _ in range(3)))
            while not waiting.done():
                assert (await client.get("/v1/facilities")).status_code == 200
                await asyncio.sleep(0.5)
            for refused in waiting.result():
                assert refused.status_code == 503, refused.text
                assert refused.json()["type"] == "urn:tonne:problem:too-slow"
                assert "Something else locks" in refused.json()["detail"]
                assert int(refused.headers["retry-after"]) > 0
            # nothing of them waits on, in a thread or in the database
            (left,) = holder.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone() or (None,)
            assert left == 0
        answer = await client.request(*_CALLS[-1], json=_NIGHT)
        assert answer.status_code == 200, answer.text
