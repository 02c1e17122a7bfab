from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.api.http.cursors import Cursor
from services.api.models.readings import ReadingRow
from services.api.routes.reading_rows import Place
from tests.integration.api.plant import at, found
from tests.integration.packed import pack_some

Connection = psycopg.Connection[Any]
START = at("2026-11-23T10:00:00Z")


pytestmark = pytest.mark.usefixtures("cems")


@pytest.fixture
def cems(connection: Connection) -> None:
    plant = found(connection, "linz")
    connection.execute(
        "INSERT INTO device (facility_id, slug, spec) VALUES (%s, 'cems-1', '{}')",
        (plant.facility_id,),
    )
    for slug, unit in (("co2", "%"), ("flow", "scf/h")):
        connection.execute(
            "INSERT INTO channel (device_id, slug, quantity, unit, kind, spec)"
            " SELECT id, %s, 'fraction', %s, 'gauge', '{}' FROM device",
            (slug, unit),
        )


def send(
    connection: Connection, channel: str, rows: list[tuple[datetime, float | None, int]]
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
            " SELECT %s, %s, now(), id, %s, 0 FROM channel WHERE slug = %s",
            [(ts, value, quality, channel) for ts, value, quality in rows],
        )


async def readings(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    response = await client.get(
        "/v1/readings",
        params={"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()}
        | parameters,
    )
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    for row in rows:
        ReadingRow.model_validate(row)
    return rows


async def test_readings_are_given_as_they_were_sent(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    half = timedelta(milliseconds=500)
    send(connection, "co2", [(START, 12.5, 0), (START + half, None, 0), (START + 3 * half, 9.0, 3)])
    send(connection, "flow", [(START + half, 0.0, 1)])
    rows = await readings(client, facility="linz")
    assert [(r["time"], r["channel"], r["value"], r["unit"], r["quality"]) for r in rows] == [
        ("2026-11-23T10:00:00Z", "co2", 12.5, "%", "good"),
        ("2026-11-23T10:00:00.500000Z", "co2", None, "%", "good"),
        ("2026-11-23T10:00:00.500000Z", "flow", 0.0, "scf/h", "uncertain"),
        ("2026-11-23T10:00:01.500000Z", "co2", 9.0, "%", "calibration"),
    ]
    assert {r["channel"] for r in await readings(client, channel="flow")} == {"flow"}


async def test_readings_are_worth_what_they_were_when_they_were_taken(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    change, minute = START + timedelta(minutes=1), timedelta(minutes=1)
    spec = {
        "scale": [{"value": 2.0}, {"from": change.isoformat(), "value": 3.0}],
        "full_scale": [{"value": 20.0}, {"from": change.isoformat(), "value": 40.0}],
    }
    connection.execute("UPDATE channel SET spec = %s WHERE slug = 'co2'", (Jsonb(spec),))
    send(connection, "co2", [(START + k * minute, 11.0, 0) for k in range(2)])
    rows = await readings(client, channel="co2")
    assert [(row["value"], row["over_full_scale"]) for row in rows] == [(22.0, True), (33.0, False)]


async def test_thinning_keeps_peaks_and_gaps(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    rows: list[tuple[datetime, float | None, int]] = [
        (START + timedelta(seconds=5 * i), 10.0 + i % 3, 0) for i in range(17_280)
    ]
    rows[4321] = (rows[4321][0], 99.5, 1)
    rows[9876] = (rows[9876][0], -3.5, 0)
    rows[12_000:13_000] = [(ts, None, 2) for ts, _, _ in rows[12_000:13_000]]
    send(connection, "co2", rows)
    thinned = await readings(client, channel="co2", max_points=200)
    assert 100 <= len(thinned) <= 200
    sent = {ts: (value, quality) for ts, value, quality in rows}
    names = ("good", "uncertain", "bad")
    for row in thinned:
        value, quality = sent[at(row["time"])]
        assert (row["value"], row["quality"]) == (value, names[quality])
    values = [row["value"] for row in thinned]
    assert 99.5 in values
    assert -3.5 in values
    assert values.count(None) >= 4


async def test_what_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    for parameters in ({"facility": "nowhere"}, {"device": "nothing"}, {"channel": "nothing"}):
        response = await client.get("/v1/readings", params=parameters)
        assert response.status_code == 404, parameters
    wrong = await client.get("/v1/readings", params={"max_points": 1})
    assert wrong.json()["errors"][0]["parameter"] == "max_points"


async def test_what_is_thinned_says_so_and_raw_gives_all_in_pages(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    sent = [(START + timedelta(seconds=10 * n), float(n % 7), 0) for n in range(50)]
    send(connection, "co2", sent)
    send(connection, "flow", [*sent[:20], (sent[30][0] + timedelta(microseconds=1), 1.5, 0)])
    thinned = await readings(client, max_points=10)
    assert {row["thinned"] for row in thinned} == {True}
    whole = await readings(client, channel="co2", max_points=50)
    assert len(whole) == 50
    assert {row["thinned"] for row in whole} == {False}
    everything = await readings(client, raw="true")
    assert len(everything) == 71
    assert {row["thinned"] for row in everything} == {False}
    assert everything == sorted(everything, key=lambda row: (at(row["time"]), row["channel"]))
    for limit in (7, 40, 71):
        pages = await all_pages(client, limit)
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert [row for page in pages for row in page] == everything


@pytest.mark.parametrize("is_packed", [False, True])
async def test_a_cursor_leads_nowhere_outside_of_what_is_asked_for(
    client: httpx.AsyncClient, connection: Connection, is_packed: bool
) -> None:
    hour = timedelta(hours=1)
    send(connection, "co2", [(START + n * hour, float(n), 0) for n in range(-2, 4)])
    if is_packed:
        assert pack_some(connection, random.Random(1)) > 0
    asked = {"channel": "co2", "raw": "true", "to": (START + 2 * hour).isoformat()}
    for time, values in (
        (START - 9 * hour, [0, 1]),
        (START, [1]),
        (START + 2 * hour, []),
        (START + 30 * hour, []),
    ):
        cursor = Cursor(Place).write(Place(time, "linz", "cems-1", "co2"))
        rows = await readings(client, **asked, cursor=cursor)
        assert [row["value"] for row in rows] == values, time


async def all_pages(client: httpx.AsyncClient, limit: int) -> list[list[dict[str, Any]]]:
    span = {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat()}
    response = await client.get("/v1/readings", params={**span, "raw": "true", "limit": limit})
    pages = [response.json()]
    while link := response.links.get("next"):
        response = await client.get(link["url"])
        assert response.status_code == 200, response.text
        pages.append(response.json())
    return pages


@pytest.mark.parametrize(
    ("parameters", "status", "why"),
    [
        ({"raw": "true", "max_points": 10}, 422, "leave out max_points"),
        ({"limit": 10}, 422, "add raw=true"),
        ({"raw": "true", "cursor": "nowhere"}, 400, "take it from the `Link` header"),
    ],
)
async def test_pages_are_of_every_reading_and_of_nothing_else(
    client: httpx.AsyncClient, parameters: dict[str, Any], status: int, why: str
) -> None:
    response = await client.get("/v1/readings", params=parameters)
    assert response.status_code == status
    assert why in response.text
