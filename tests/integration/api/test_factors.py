"""``GET /v1/factors``: every factor that every facility can use, in pages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import httpx

from services.core.facility.factor_file import read
from services.core.store.database.transactions import writing
from services.core.store.registry.import_factors import import_factors
from tests.integration.aggregator.plant import FILE


async def test_a_factor_with_all_that_is_said_of_it(client: httpx.AsyncClient) -> None:
    rows = (await client.get("/v1/factors", params={"factor": "grid-gb"})).json()
    assert [(row["valid_from"], row["co2e_kg"]) for row in rows][-2:] == [
        ("2025-01-01", 0.177), ("2026-01-01", 0.13096),
    ]  # fmt: skip
    newest = rows[-1]
    assert newest["publisher"] == "DESNZ"
    assert newest["published"] == "2026-06-11"
    assert newest["licence"] == "Open Government Licence v3.0"
    assert newest["via"].startswith("themisiqco/themisiq")
    assert newest["successor_expected"] == "2027-06-30"
    assert (newest["origin"], newest["region"]) == ("built-in", "GB")
    asked = {"factor": "grid-gb", "superseded": "true"}
    assert len((await client.get("/v1/factors", params=asked)).json()) > len(rows)


async def test_the_whole_library_in_pages(client: httpx.AsyncClient) -> None:
    ids: list[tuple[str, str | None]] = []
    answer = await client.get("/v1/factors", params={"limit": 700})
    while True:
        page = answer.json()
        ids += [(row["id"], row["valid_from"]) for row in page]
        if "next" not in answer.links:
            break
        answer = await client.get(answer.links["next"]["url"])
    assert len(ids) > 3000
    assert len(set(ids)) == len(ids)
    assert [name for name, _ in ids] == sorted(name for name, _ in ids)


async def test_what_is_stored_and_what_is_imported_is_in_the_list(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await client.put("/v1/facilities/works", content=FILE.replace("factor: f}", "factor: grid-gb}"))
    text = "id,unit,co2_kg,valid_from,citation\ngrid-gb,kWh,0.1,2026-01-01,a supplier\n"
    with writing(database_url, process="test") as connection:
        import_factors(connection, read(text, datetime.now(UTC)), by="user test")
    rows = (await client.get("/v1/factors", params={"factor": "grid-gb,sf6"})).json()
    assert [row["origin"] for row in rows if row["id"] == "grid-gb"][-1] == "imported"
    assert rows[-1]["id"] == "sf6"
    assert rows[-1]["gases"] == "SF6=1.0"


async def test_a_search_and_its_csv(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/v1/factors", params={"search": "R410A"}, headers={"Accept": "text/csv"}
    )
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["id"], row["gases"]) == ("r410a", "HFC-32=0.5 HFC-125=0.5")
    nothing = await client.get("/v1/factors", params={"search": "perpetuum mobile"})
    assert nothing.json() == []
