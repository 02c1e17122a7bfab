"""``GET /v1/factors``: every factor that every facility can use, in pages."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from services.core.facility.factor_file import read
from services.core.store.database.transactions import writing
from services.core.store.registry.import_factors import import_factors
from tests.command import tonne
from tests.integration.aggregator.plant import FILE
from tests.integration.api.plant import at


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


SERIES = """
facility: {id: works, name: Works, timezone: UTC}
devices: [{id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter}]}]
factors: [{id: grid, kind: series, unit: kWh, fallback: [month], citation: operator}]
sources: [{id: bought, scope: 2, method: activity, input: m.e, factor: grid}]
"""
ADDRESS = "/v1/factors/grid/values"
OF_WORKS = {"facility": "works"}


async def test_values_by_the_hour_as_json_and_csv(
    client: httpx.AsyncClient, connection: psycopg.Connection[Any]
) -> None:
    await client.put("/v1/facilities/works", content=SERIES)
    values = [
        {"hour": f"2026-11-23T{hour:02}:00:00+01:00", "co2_kg": hour / 100} for hour in range(5, 9)
    ]
    body = {"values": [*values, {**values[0], "co2_kg": 0.07, "known_at": "2026-11-23T08:00:00Z"}]}
    answer = await client.post(ADDRESS, params=OF_WORKS, json=body)
    assert answer.json() == {
        "added": 4, "revised": 0, "superseded": 1, "unchanged": 0, "requests": 0,
    }  # fmt: skip
    text = "hour,co2_kg\n2026-11-23T04:00Z,0.5\n2026-11-23T05:00Z,0.06\n2026-11-23T06:00Z,\n"
    of_csv = {"Content-Type": "text/csv; charset=utf-8"}
    answer = await client.post(ADDRESS, params=OF_WORKS, content=text, headers=of_csv)
    assert answer.json()["revised"] == 2
    assert answer.json()["unchanged"] == 1
    stored = connection.execute(
        "SELECT to_char(hour, 'HH24'), co2_kg FROM factor_value ORDER BY hour, recorded_at"
    ).fetchall()
    assert [(hour, kg) for hour, kg in stored if hour in {"04", "05", "06"}][-5:] == [
        ("04", 0.07), ("04", 0.5), ("05", 0.06), ("06", 0.07), ("06", None),
    ]  # fmt: skip


_ONE = {"values": [{"hour": "2026-11-23T05:00:00Z", "co2_kg": 1}]}
_REFUSED: tuple[tuple[object, str], ...] = (
    ({"values": [{"hour": "2026-11-23T05:30:00Z", "co2_kg": 1}]}, "no full hour of UTC"),
    ({"values": [{"hour": "2026-11-23T05:00:00", "co2_kg": 1}]}, "no time with an offset"),
    ({"values": [{"hour": "2026-11-23T05:00:00Z", "co2": 1}]}, "did you mean co2_kg?"),
    ({"values": [{"hour": "2026-11-23T05:00:00Z", "co2_kg": "a"}]}, "co2_kg is a number"),
    ({"values": [{"hour": "2026-11-23T05:00:00Z", "co2_kg": 1e13}]}, "number of kilograms"),
    ({"values": []}, "there is no value"),
    ([1], "expected {"),
    (
        {"values": [{**_ONE["values"][0], "known_at": "2100-01-01T00:00:00Z"}]},
        "lies in the future",
    ),
    (
        {"values": [*_ONE["values"], {"hour": "2026-11-23T06:00:00+01:00", "co2_kg": 2}]},
        "line 2: hour: 2026-11-23T05:00Z has another value at 1 already: leave one out",
    ),
    (
        {"values": [{"hour": "2026-11-23T05:00:00Z", "co2_kg": 212}]},
        "grid, value of 2026-11-23T05:00Z: 212 kg of CO2 per kWh is more than any plant emits",
    ),
)


async def test_values_that_cannot_be_are_refused_whole(
    client: httpx.AsyncClient, connection: psycopg.Connection[Any]
) -> None:
    await client.put("/v1/facilities/works", content=SERIES)
    for body, why in _REFUSED:
        answer = await client.post(ADDRESS, params=OF_WORKS, json=body)
        assert answer.status_code == 422, answer.text
        assert why in answer.text.replace("'", "")
    unknown = await client.post("/v1/factors/f/values", params=OF_WORKS, json=_ONE)
    assert unknown.status_code == 404
    assert connection.execute("SELECT count(*) FROM factor_value").fetchone() == (0,)


async def test_a_series_for_every_facility_is_listed_and_takes_values(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    declared = tmp_path / "zones.csv"
    declared.write_text(
        "id,kind,unit,co2_kg,basis,fallback,citation\n"
        "zone-fr,series,kWh,,location,month grid-gb,operator\n"
        "zone-de,series,kWh,,location,,operator\n"
    )
    assert tonne(database_url, "factors", "import", declared).code == 0
    rows = (await client.get("/v1/factors", params={"factor": "zone-fr,zone-de"})).json()
    assert [(row["id"], row["co2_kg"], row["co2e_kg"], row["fallback"]) for row in rows] == [
        ("zone-de", None, None, ""), ("zone-fr", None, None, "month grid-gb"),
    ]  # fmt: skip
    assert "zone-fr  by the hour/kWh" in tonne(database_url, "factors", "list", "zone").stdout
    values = tmp_path / "values.csv"
    values.write_text(
        "factor,hour,co2_kg\nzone-fr,2026-01-01T00:00Z,0.05\nzone-de,2026-01-01T00:00Z,0.4\n"
    )
    ended = tonne(database_url, "factors", "import-values", values)
    assert (ended.code, ended.stdout) == (0, f"{values}: 2 values: 2 added\n")
    answer = await client.post("/v1/factors/zone-fr/values", json=_ONE)
    assert answer.json()["added"] == 1
    table = pa.table({"hour": [at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00Z")],
                      "co2_kg": [0.05, 0.06]})  # fmt: skip
    pq.write_table(table, tmp_path / "fr.parquet")
    command = ("factors", "import-values", tmp_path / "fr.parquet")
    assert "--factor" in tonne(database_url, *command).stderr
    assert "1 added, 1 unchanged" in tonne(database_url, *command, "--factor", "zone-fr").stdout
    values.write_text("factor,hour,co2_kg\nzone-fr,2026-01-01,0.05\n,2026-01-01T00:00Z,0.4\n")
    assert tonne(database_url, "factors", "import-values", values).stderr.splitlines() == [
        f"{values}:2: hour: '2026-01-01' is no time with an offset, such as 2026-11-23T18:00:00Z",
        f"{values}:3: the factor is missing",
        "tonne: nothing was imported; correct the lines above and import again",
    ]
