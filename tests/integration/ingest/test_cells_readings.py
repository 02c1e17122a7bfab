"""Readings by HTTP for facilities of two cells, through one API and the ingest of each cell."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.cells import directory
from services.core.store.database.connect import connect
from services.core.store.operations import keys
from tests.integration.api.cells_plant import add
from tests.integration.api.server import serving
from tests.integration.ingest.plant import FILE, Plant
from tests.patience import PATIENCE_S, until
from tests.services import Postgres, as_login, is_listening

BEGIN = 1795456800


def row(facility: str, second: int = 0, value: float | None = 1.0, **more: Any) -> dict[str, Any]:
    values = {"import-power": {"v": value, "u": "kW"}}
    return {"facility": facility, "device": "meter-grid", "ts": BEGIN + second, "values": values,
            **more}  # fmt: skip


@pytest.fixture
def plants(
    plant: Plant, postgres_cluster: Postgres, migrated_template: str, door_folder: Path
) -> Iterator[dict[str, Plant]]:
    """The cell `home` has `linz`, and `b` has `graz`; the ingest of each runs."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        add(plant.database, url)
        with (
            connect(plant.database, process="test", autocommit=True) as home,
            connect(url, process="test", autocommit=True) as b,
        ):
            directory.claim(home, "graz", "b", is_nowhere=True)
            directory.note(b, "graz", "b")
        other = replace(
            plant,
            database=url,
            log=plant.log.with_name("b.log"),
            client_id=f"{plant.client_id}-b",
        )
        other.sessions = plant.sessions
        plant.sessions.add(other.client_id)
        other.apply(FILE.replace("id: linz", "id: graz"))
        both = {"home": plant, "b": other}
        for name in both:
            begin(both, name, door_folder)
        yield both
        other.kill()


def begin(plants: dict[str, Plant], name: str, folder: Path) -> None:
    socket = folder / ("door.sock" if name == "home" else f"door-{name}.sock")
    plants[name].started(TONNE_READINGS_SOCKET=str(socket))
    until(lambda: is_listening(socket), "ingest listens")


@pytest.fixture
async def client(plants: dict[str, Plant], door_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        database_url=SecretStr(as_login(plants["home"].database, "tonne_api")),
        cells=SecretStr(f"b={as_login(plants['b'].database, 'tonne_api')}"),
        readings_socket=door_folder / "door.sock",
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        opened.headers["Authorization"] = f"Bearer {key(plants['home'])}"
        opened.headers["Content-Type"] = "application/json"
        yield opened


def key(home: Plant, *facilities: str) -> str:
    with psycopg.connect(home.database) as connection:
        return keys.create(
            connection, name="gateway", scopes=["send"], facilities=facilities or None
        )


async def sent(client: httpx.AsyncClient, body: Any, status: int, **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/readings", content=json.dumps(body), **more)
    assert answer.status_code == status, answer.text
    known: dict[str, Any] = answer.json()
    return known


async def test_each_row_has_the_verdict_of_its_cell(
    client: httpx.AsyncClient, plants: dict[str, Plant]
) -> None:
    home, b = plants["home"], plants["b"]
    body = [
        row("linz"),
        row("graz"),
        row("nowhere"),
        row("graz", 1, device="no-such-device"),
        {"device": "meter-grid", "ts": BEGIN, "values": {"import-power": 1}},
        row("linz", 2),
        "no record",
        row("linz", 3, device="no-such-device"),
        row("graz", 4),
    ]
    answer = await sent(client, body, 207)
    assert (answer["new"], answer["repeated"], answer["refused"]) == (4, 0, 5)
    assert [(r["index"], r["facility"], r["reason"]) for r in answer["refusals"]] == [
        (2, "nowhere", "unknown_facility"),
        (3, "graz", "unknown_device"),
        (4, None, "bad_topic"),
        (6, None, "not_a_reading"),
        (7, "linz", "unknown_device"),
    ]
    assert (home.count("reading"), b.count("reading")) == (2, 2)
    # what nobody has is one entry, at home
    for plant, facilities in ((home, ["linz", "nowhere"]), (b, ["graz"])):
        assert sorted(entry["facility"] for entry in plant.quarantine()) == facilities
    again = await sent(client, body, 207)
    assert (again["new"], again["repeated"], again["refused"]) == (0, 4, 5)
    # of one cell each, and with a facility of records that name none
    assert (await sent(client, [row("graz", 5)], 200))["new"] == 1
    assert (await sent(client, [row("linz", 5)], 200))["new"] == 1
    unnamed = {"device": "meter-grid", "ts": BEGIN + 6, "values": {"import-power": 1}}
    named = [unnamed, row("linz", 6), row("graz", 7)]
    answer = await sent(client, named, 200, params={"facility": "graz"})
    assert answer["new"] == 3
    assert (home.count("reading"), b.count("reading")) == (4, 5)
    limited = {"Authorization": f"Bearer {key(home, 'graz')}"}
    answer = await sent(client, [row("linz", 8), row("graz", 8)], 207, headers=limited)
    assert (answer["new"], answer["refusals"][0]["reason"]) == (1, "unknown_facility")
    assert (home.count("reading"), b.count("reading")) == (4, 6)
    empty = await sent(client, [], 200)
    assert empty["new"] == 0
    unusable = await client.post("/v1/readings", content="[{")
    assert (unusable.status_code, "Nothing of this was stored" in unusable.text) == (422, True)


async def test_nothing_is_lost_while_the_ingest_of_a_cell_is_killed(
    client: httpx.AsyncClient, plants: dict[str, Plant], door_folder: Path
) -> None:
    seconds = list(range(60))
    refused: list[int] = []
    killed = asyncio.Event()

    async def send(second: int) -> None:
        body = [row("linz", second), row("graz", second)]
        headers = {"Idempotency-Key": f"second-{second}"}
        while True:
            answer = await client.post("/v1/readings", content=json.dumps(body), headers=headers)
            if answer.status_code == 200:
                return
            assert answer.status_code == 503, answer.text
            # from a body of which the other cell's part was stored to one that came again
            assert answer.json()["type"] in {
                "urn:tonne:problem:ingest-away",
                "urn:tonne:problem:not-confirmed",
            }
            refused.append(second)
            # what is of the other cell goes on
            assert (await sent(client, [row("linz", second)], 200))["refused"] == 0
            await killed.wait()

    await send(0)
    plants["b"].end(signal.SIGKILL)
    sending = asyncio.gather(*map(send, seconds))
    while len(refused) < 3:  # noqa: ASYNC110 - tasks of their own
        await asyncio.sleep(0.01)
    begin(plants, "b", door_folder)
    killed.set()
    # once more, while bodies are on their way
    plants["b"].end(signal.SIGKILL)
    killed.clear()
    begin(plants, "b", door_folder)
    killed.set()
    await sending
    for plant in plants.values():
        assert plant.count("reading") == len(seconds)
        assert plant.quarantine() == []
