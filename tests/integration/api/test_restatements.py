"""The ledger of restatements through the API: what changed after it was closed, why, by whom."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.api.models.emissions import Restatement
from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = instant("2024-06-01T00:00:00Z")
CLOSED = START + 6 * HOUR


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.tick_as_if(START)
    plant.store(
        [Reading("meter.quarter", START + i * 15 * MINUTE, 5.0) for i in range(1, 17) if i != 6]
    )
    plant.tick_as_if(CLOSED)
    plant.tick_as_if(CLOSED + MINUTE)
    yield plant
    plant.close()


async def restatements(client: httpx.AsyncClient, **parameters: object) -> list[dict[str, Any]]:
    parameters = {name.rstrip("_"): value for name, value in parameters.items()}
    response = await client.get("/v1/restatements", params=parameters)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    for row in rows:
        Restatement.model_validate(row)
    return rows


async def test_only_changes_after_closing_are_listed(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    clock.instant = CLOSED + HOUR
    assert await restatements(client) == []
    # an hour that is still open, and one that is closed
    plant.store([Reading("meter.quarter", CLOSED + 15 * MINUTE, 5.0)])
    plant.tick_as_if(CLOSED + 20 * MINUTE)
    assert await restatements(client) == []
    plant.store([Reading("meter.quarter", START + 90 * MINUTE, 5.0)])
    late = CLOSED + 25 * MINUTE
    plant.tick_as_if(late)
    (row,) = await restatements(client)
    assert row == {
        "time": "2024-06-01T01:00:00Z",
        "facility": "works",
        "source": "by-interval",
        "scope": 2,
        "version": 2,
        "old_co2_kg": 3.75,
        "new_co2_kg": 5.0,
        "difference_kg": 1.25,
        "old_co2e_kg": 3.75,
        "new_co2e_kg": 5.0,
        "old_co2_market_kg": 3.75,
        "new_co2_market_kg": 5.0,
        "old_co2_biogenic_kg": 0.0,
        "new_co2_biogenic_kg": 0.0,
        "old_quality": "partial",
        "new_quality": "measured",
        "reason": "late readings",
        "cause": "meter.quarter",
        "known_at": late.isoformat().replace("+00:00", "Z"),
    }


async def test_every_version_that_followed_a_closed_one_is_a_row_with_its_cause(
    client: httpx.AsyncClient, plant: Plant, database_url: str
) -> None:
    corrected = FILE.replace("co2_kg: 0.25,", "co2_kg: 0.5,")
    apply_text(database_url, corrected, by="user berta")
    plant.tick_as_if(CLOSED + 10 * MINUTE)
    plant.store([Reading("meter.quarter", START + 90 * MINUTE, 5.0)])
    plant.tick_as_if(CLOSED + 20 * MINUTE)
    rows = await restatements(client)
    assert [(r["time"][11:13], r["version"], r["difference_kg"], r["reason"]) for r in rows] == [
        ("00", 2, 5.0, "factor version"),
        ("01", 2, 3.75, "factor version"),
        ("01", 3, 2.5, "late readings"),
        ("02", 2, 5.0, "factor version"),
        ("03", 2, 5.0, "factor version"),
    ]
    cause = rows[0]["cause"]
    assert cause.startswith("f, row ")
    assert "(0.25 kg CO2/kWh from 2020-01-01 to 2026-01-01; a) replaced by row " in cause
    assert cause.endswith(
        "(0.5 kg CO2/kWh from 2020-01-01 to 2026-01-01; a); applied by user berta"
    )

    def hour(number: int) -> str:
        return (START + number * HOUR).isoformat()

    assert len(await restatements(client, from_=hour(1), to=hour(2))) == 2
    # an hour is in every span that it shares time with
    within = hour(1).replace(":00:00", ":10:00"), hour(1).replace(":00:00", ":20:00")
    assert len(await restatements(client, from_=within[0], to=within[1])) == 2
    late = (CLOSED + 15 * MINUTE).isoformat()
    assert [r["version"] for r in await restatements(client, known_from=late)] == [3]
    assert len(await restatements(client, known_to=late)) == 4
    assert await restatements(client, source="stack") == []
    assert len(await restatements(client, facility="works", source="by-interval")) == 5


async def test_pages_put_together_are_the_whole_list_also_as_csv(
    client: httpx.AsyncClient, plant: Plant, database_url: str
) -> None:
    apply_text(database_url, FILE.replace("co2_kg: 0.25,", "co2_kg: 0.5,"))
    plant.tick_as_if(CLOSED + 10 * MINUTE)
    whole = await restatements(client)
    paged: list[dict[str, Any]] = []
    url = "/v1/restatements?facility=works&limit=3"
    for _ in range(3):
        response = await client.get(url)
        paged += response.json()
        link = response.headers.get("Link")
        if link is None:
            break
        url = link[1 : link.index(">")]
    assert paged == whole
    assert len(whole) == 4
    response = await client.get("/v1/restatements", headers={"Accept": "text/csv"})
    table = list(csv.DictReader(io.StringIO(response.text)))
    assert [float(row["difference_kg"]) for row in table] == [r["difference_kg"] for r in whole]
    assert list(table[0]) == list(Restatement.model_fields)


async def test_what_does_not_exist_is_a_problem(client: httpx.AsyncClient, plant: Plant) -> None:
    for parameters in ({"facility": "nowhere"}, {"source": "nothing"}):
        response = await client.get("/v1/restatements", params=parameters)
        assert response.status_code == 404
    response = await client.get("/v1/restatements", params={"cursor": "x"})
    assert response.status_code == 400
    assert plant.rows("SELECT count(*) FROM emission_hour_history") == [(0,)]
