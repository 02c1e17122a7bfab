"""A cell that takes connections and answers nothing: others are served, and it is named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.store.operations import keys
from tests.faults.proxy import Proxy
from tests.hanging import WAYS, Hanging, hanging
from tests.integration.api.cells_plant import NOW, Databases, filled, organise, settings
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, until_async
from tests.services import Postgres

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _a_busy_database_does_not_hang() -> None:
    """Be as patient as the API is."""


#: Read by the loop, by threads, over both cells, and written.
_NIGHT = {"measure": "rate", "above": 10.0, "severity": "info"}
_OF_GRAZ = (
    ("GET", "/v1/live?facility=graz"),
    ("GET", "/v1/explain?facility=graz&source=grid&hour=2026-11-23T17:00:00Z"),
    ("GET", "/v1/reports/emissions?period=2026-11&facility=graz"),
    ("GET", "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h"),
    ("GET", "/v1/reports/emissions?period=2026-11&organisation=both"),
    ("PUT", "/v1/thresholds/night?facility=graz"),
)
#: What looks after it, its listener, its state, and those of streams.
_MOST_CONNECTIONS = 7


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Databases of which one can be made to hang."""

    databases: Databases
    away: Hanging


@pytest.fixture(params=WAYS)
def cell(
    request: pytest.FixtureRequest, postgres_cluster: Postgres, migrated_template: str
) -> Iterator[Cell]:
    with ExitStack() as ending:
        single, home = (
            ending.enter_context(postgres_cluster.fresh_database(template=migrated_template))
            for _ in range(2)
        )
        away = ending.enter_context(hanging(request.param, postgres_cluster, migrated_template))
        databases = Databases(single=single, home=home, b=away.url)
        databases.fill()
        organise(databases)
        yield Cell(databases=databases, away=away)


async def test_others_are_served_while_a_cell_hangs_and_it_comes_back_by_itself(
    cell: Cell,
) -> None:
    app = create_app(
        settings(cell.databases.home, cell.away.through), clock=FixedClock(NOW), health_holds_s=0
    )
    async with (
        asyncio.timeout(4 * PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        for method, call in _OF_GRAZ[:5]:
            assert (await client.request(method, call)).status_code == 200, call
        cell.away.hang()
        try:
            for _ in range(3):
                # more at once than the API serves at once
                refused = await asyncio.gather(
                    *(client.request(*call, json=_NIGHT) for call in _OF_GRAZ for _ in range(5))
                )
                for answer in refused:
                    assert answer.status_code == 503, answer.text
                    assert answer.json()["type"] == "urn:tonne:problem:cell-away"
                    assert "cell b" in answer.text
                    assert "graz" in answer.text
                for call in ("/v1/live?facility=linz", _OF_GRAZ[1][1].replace("graz", "linz")):
                    served = await asyncio.gather(*(client.get(call) for _ in range(40)))
                    assert {answer.status_code for answer in served} == {200}
                listed = await client.get("/v1/facilities")
                assert listed.headers["tonne-missing"] == "graz"
            # what was cancelled asks the cell to end it, on a connection of its own for 5 s
            await until_async(
                lambda: cell.away.connections() <= _MOST_CONNECTIONS,
                "few connections wait for it",
                explain=lambda: f"{cell.away.connections()} do",
            )
            assert 'tonne_api_cell_up{cell="b"} 0.0' in (await client.get("/metrics")).text
            while await _cut(client) == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            assert "cell-away" in (await client.get("/readyz")).text
        finally:
            cell.away.go_on()
        while (await client.get("/v1/live?facility=graz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for method, call in _OF_GRAZ:
            answer = await client.request(method, call, json=_NIGHT)
            assert answer.status_code == 200, (call, answer.text)


async def _cut(client: httpx.AsyncClient) -> float:
    """Return how many connections to the cell were cut."""
    lines = (await client.get("/metrics")).text.splitlines()
    named = (line for line in lines if line.startswith('tonne_api_cell_cut_total{cell="b"}'))
    return sum(float(line.split()[1]) for line in named)


@pytest.fixture
def home(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Cell]:
    """A home cell behind a network that can stall; `graz` lives in another one."""
    with ExitStack() as ending:
        databases = ending.enter_context(filled(postgres_cluster, migrated_template))
        network = Proxy(postgres_cluster.port)
        ending.callback(network.close)
        away = Hanging(url=databases.home, server=postgres_cluster, network=network)
        yield Cell(databases=databases, away=away)


@pytest.mark.parametrize("auth", ["off", "required"])
async def test_nobody_waits_again_and_again_for_a_home_cell_that_hangs(
    home: Cell, auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(home.databases.home, autocommit=True) as connection:
        key = keys.create(connection, name="all", scopes=["admin"])
    app = create_app(
        settings(home.away.through, home.databases.b, auth=auth),
        clock=FixedClock(NOW),
        health_holds_s=0,
    )
    calls = [call for _, call in _OF_GRAZ[:2]]
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        asyncio.timeout(4 * PATIENCE_S),
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S, headers=headers) as client,
    ):

        async def statuses() -> set[int]:
            answers = await asyncio.gather(*(client.get(c) for c in calls for _ in range(20)))
            return {answer.status_code for answer in answers}

        assert await statuses() == {200}
        home.away.hang()
        try:
            refused = await client.get("/v1/live?facility=linz")
            assert refused.status_code == 503
            with monkeypatch.context() as patched:
                if auth == "required":
                    # whoever asks is refused at once, and home is not asked who it is
                    assert refused.json()["type"] == "urn:tonne:problem:database-away"
                    patched.delattr(app.state.context.database, "_pool")
                    assert await statuses() == {503}
                else:
                    assert refused.json()["type"] == "urn:tonne:problem:cell-away"
                    assert await statuses() == {200}
                    listed = await client.get("/v1/facilities")
                    assert listed.headers["tonne-missing"] == "linz"
        finally:
            home.away.go_on()
        while (await client.get("/v1/live?facility=linz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert await statuses() == {200}
