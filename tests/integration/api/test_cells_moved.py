"""What stays in the cell that a facility has left is found over all of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from services.api.app import create_app
from services.core.store.operations import keys
from tests.integration.api.cells_plant import (
    Databases,
    filled,
    let_in,
    move_it,
    settings,
    silence,
)
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import Postgres

pytestmark = pytest.mark.database


@pytest.fixture
def databases(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Databases]:
    """Two cells; `linz` has moved to the second, where `graz` lives."""
    with filled(postgres_cluster, migrated_template) as made:
        move_it(made, "linz", "home", "b")
        yield made


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Who asks the API over both cells: a key of everything, one of `linz`, one of `graz`."""

    client: httpx.AsyncClient
    everything: str
    of_linz: str
    of_graz: str

    async def answer(self, key: str, call: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return await self.client.get(call, headers=headers)

    async def ask(self, key: str, call: str) -> httpx.Response:
        answer = await self.answer(key, call)
        assert answer.status_code == 200, answer.text
        return answer

    async def by_pages(self, key: str, call: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        while call:
            page = await self.ask(key, call)
            rows += page.json()
            call = page.links["next"]["url"] if "next" in page.links else ""
        return rows


@pytest.fixture
async def callers(databases: Databases) -> AsyncIterator[Callers]:
    with psycopg.connect(databases.home, autocommit=True) as connection:
        everything = keys.create(connection, name="all", scopes=["admin"])
        of_linz, of_graz = (
            keys.create(connection, name=name, scopes=["admin"], facilities=[name])
            for name in ("linz", "graz")
        )
    over = create_app(settings(databases.home, databases.b, auth="required"))
    async with (
        serving(over) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield Callers(client=client, everything=everything, of_linz=of_linz, of_graz=of_graz)


async def test_the_audit_log_of_a_facility_that_moved_is_whole(
    databases: Databases, callers: Callers, postgres_cluster: Postgres
) -> None:
    whole, limited = callers.everything, callers.of_linz
    sides = [create_app(settings(url)) for url in (databases.home, databases.b)]
    text = (await callers.ask(whole, "/v1/facilities/linz")).text
    again = await callers.client.put(
        "/v1/facilities/linz?wait=false",
        content=text.replace("linz works", "Linz works"),
        headers={"Authorization": f"Bearer {whole}"},
    )
    assert (again.status_code, again.headers["tonne-cell"]) == (200, "b")
    entries = (await callers.ask(whole, "/v1/audit?facility=linz")).json()
    moves = [
        (row["subject"], json.loads(row["after"])["left"])
        for row in entries
        if row["action"] == "facility.move"
    ]
    assert moves == [("home", False), ("b", True)]
    assert (await callers.ask(limited, "/v1/audit")).json() == entries
    assert await callers.by_pages(limited, "/v1/audit?facility=linz&limit=1") == entries
    # each side by itself has its part, which leads to the other
    async with serving(sides[0]) as of_home, serving(sides[1]) as of_b:
        parts = [
            (await callers.client.get(f"{side}/v1/audit?facility=linz")).json()
            for side in (of_b, of_home)
        ]
    assert parts[0] + parts[1] == entries
    assert "facility.apply" in {row["action"] for row in parts[0]}
    assert len(parts[1]) > 1
    assert (parts[0][-1]["action"], parts[1][0]["action"]) == ("facility.move",) * 2
    silence(postgres_cluster, databases.b)
    lacking = await callers.ask(whole, "/v1/audit?facility=linz")
    assert lacking.headers["tonne-missing"] == "linz"
    assert lacking.json() == parts[1]
    let_in(postgres_cluster, databases.b)


async def test_what_came_to_the_cell_that_was_left_is_in_the_list_of_quarantine(
    databases: Databases, callers: Callers
) -> None:
    for url, reason in ((databases.home, "moved_facility"), (databases.b, "bad_value")):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO quarantine (reason, detail, topic, payload, facility, device)"
                " SELECT %s, '', 'emissions/linz/late', 'x', 'linz', 'late'"
                " FROM generate_series(1, 3)",
                (reason,),
            )
    for key in (callers.everything, callers.of_linz):
        rows = (await callers.ask(key, "/v1/quarantine?facility=linz&device=late")).json()
        assert [row["reason"] for row in rows] == ["bad_value"] * 3 + ["moved_facility"] * 3
        assert (
            await callers.by_pages(key, "/v1/quarantine?facility=linz&device=late&limit=2") == rows
        )
        (one, *_) = (await callers.ask(key, "/v1/quarantine?reason=moved_facility")).json()
        assert one["facility"] == "linz"
    assert (await callers.ask(callers.of_linz, "/v1/quarantine?device=late")).json() == rows
    assert (await callers.ask(callers.of_graz, "/v1/quarantine?reason=moved_facility")).json() == []
    refused = await callers.answer(callers.of_graz, "/v1/quarantine?facility=linz")
    assert refused.status_code == 404
