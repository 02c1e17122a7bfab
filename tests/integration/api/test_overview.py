"""The overview says in a row what the live totals of a facility say at length."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.api.live.overview import MASS_OF_FIGURE, WINDOWS
from services.api.models.overview import Overview
from services.core.runtime.clock import FixedClock
from tests.integration.api.plant import FULL, MINUTE, found, minutes, roll

Connection = psycopg.Connection[Any]


async def overview(client: httpx.AsyncClient, **asked: str) -> list[dict[str, Any]]:
    response = await client.get("/v1/overview", params=asked)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    for row in rows:
        Overview.model_validate(row)
    return rows


@pytest.fixture(autouse=True)
def _plants(connection: Connection, clock: FixedClock) -> None:
    """Two facilities that emit, one in part, and one that nothing is known of."""
    linz = found(connection, "linz", sources=(("kiln", 1, None), ("grid", 2, None)))
    wels = found(connection, "wels", timezone="Europe/Vienna")
    newest = clock.now().replace(second=0, microsecond=0)
    for plant, source, ago in ((linz, "kiln", 0), (linz, "grid", 300), (wels, "stack-1", 0)):
        rows = [(newest - (ago + n) * MINUTE, 2.0, FULL) for n in range(120)]
        minutes(connection, plant.sources[source], rows)
    for plant in (linz, wels):
        roll(connection, plant, newest)
    found(connection, "graz")


@pytest.mark.parametrize("figure", list(MASS_OF_FIGURE))
async def test_a_row_says_what_the_live_totals_say(client: httpx.AsyncClient, figure: str) -> None:
    rows = await overview(client, figure=figure)
    assert [row["facility"] for row in rows] == ["graz", "linz", "wels"]
    mass = MASS_OF_FIGURE[figure]
    for row in rows:
        live = (await client.get("/v1/live", params={"facility": row["facility"]})).json()
        assert row["rate_kg_h"] == live["rates"][f"{mass}_h"]
        for window in WINDOWS:
            total = live["totals"][window]
            assert row[f"{window}_kg"] == total[mass]
            assert row[f"{window}_coverage"] == total["coverage"]
    assert {row["facility"]: (row["sources_known"], row["sources"]) for row in rows} == {
        "graz": (0, 1),
        "linz": (1, 2),
        "wels": (1, 1),
    }
    assert (rows[0]["rate_kg_h"], rows[0]["today_kg"]) == (None, None)


async def test_a_retired_facility_is_not_in_it(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    connection.execute(
        "UPDATE facility SET retired_at = %s WHERE slug = 'wels'",
        (clock.now() - timedelta(days=1),),
    )
    connection.execute("UPDATE registry_revision SET revision = revision + 1")
    assert [row["facility"] for row in await overview(client)] == ["graz", "linz"]
    assert [row["facility"] for row in await overview(client, facility="linz")] == ["linz"]
    missing = await client.get("/v1/overview", params={"facility": "nowhere"})
    assert missing.status_code == 404


async def test_it_is_a_table_for_a_spreadsheet_too(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/overview", headers={"Accept": "text/csv"})
    head, *lines = response.text.splitlines()
    assert head.split(",") == list(Overview.model_fields)
    assert len(lines) == 3
