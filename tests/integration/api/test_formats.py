"""A browser and a spreadsheet send no header of their own: they name the format in the address."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest

from services.api.specification import PATH
from tests.integration.aggregator.plant import apply_text

_FACILITY = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.energy, factor: grid-gb}
thresholds:
  - {id: much, measure: rate, above: 100, for: 2m, severity: warning}
maintenance:
  - {id: overhaul, from: 2026-11-20T00:00:00Z, to: 2026-11-24T00:00:00Z, reason: overhaul}
"""


def _lists() -> list[str]:
    """The calls that offer CSV, and need no parameter."""
    paths = json.loads(PATH.read_text(encoding="utf-8"))["paths"]
    answers = {
        path: calls["get"]["responses"]
        for path, calls in paths.items()
        if "get" in calls
        and not any(parameter["required"] for parameter in calls["get"].get("parameters", ()))
    }
    return [path for path, by in answers.items() if "text/csv" in by["200"].get("content", {})]


async def test_every_list_is_csv_by_the_ending_of_its_path(
    client: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, _FACILITY)
    lists = _lists()
    assert {"/v1/facilities", "/v1/readings", "/v1/alerts", "/v1/quarantine"} <= set(lists)
    lengths = {}
    for path in lists:
        by_ending = await client.get(f"{path}.csv")
        by_name = await client.get(path, params={"format": "csv"})
        rows = (await client.get(path)).json()
        assert by_ending.headers["content-type"].startswith("text/csv"), path
        assert by_ending.content == by_name.content
        names, *lines = csv.reader(io.StringIO(by_ending.text))
        assert len(lines) == len(rows)
        assert all(names == list(row) for row in rows)
        lengths[path] = len(rows)
    assert lengths["/v1/facilities"] == lengths["/v1/thresholds"] == lengths["/v1/maintenance"] == 1


async def test_lists_in_a_cell_are_written_as_in_a_query(
    client: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, _FACILITY)
    (facility,) = csv.DictReader(io.StringIO((await client.get("/v1/facilities.csv")).text))
    assert (facility["sources"], facility["devices"]) == ("grid", "meter")
    (threshold,) = csv.DictReader(io.StringIO((await client.get("/v1/thresholds.csv")).text))
    assert threshold["for"] == "2m"


async def test_live_totals_are_rows_for_spreadsheets(
    client: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, _FACILITY)
    (facility,) = (await client.get("/v1/facilities")).json()
    name = facility["id"]
    live = (await client.get("/v1/live", params={"facility": name})).json()
    answer = await client.get("/v1/live.csv", params={"facility": name})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    parts = [("", live), *((source["id"], source) for source in live["sources"])]
    assert [
        (row["source"], row["window"], row["coverage"], row["share_missing"]) for row in rows
    ] == [
        (source, window, str(total["coverage"]), str(total["shares"]["missing"]))
        for source, part in parts
        for window, total in part["totals"].items()
    ]
    # what is unknown is empty, never 0
    assert {row["co2_kg"] for row in rows} == {""}
    again = await client.get(
        "/v1/live.csv", params={"facility": name}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    past = {"facility": name, "as_of": "now", "format": "csv"}
    assert (await client.get("/v1/live", params=past)).text.startswith(",".join(rows[0]))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/v1/alerts.arrow", "format: "),
        ("/v1/explain.csv", "unknown parameter"),
    ],
)
async def test_what_is_not_offered_is_refused(
    client: httpx.AsyncClient, path: str, reason: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]


async def test_the_specification_is_no_format(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/openapi.json")).json()["openapi"].startswith("3.")
