"""A facility that is retired by the API: gone from what is live, there in what was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.core.runtime.clock import FixedClock
from services.core.store.operations import keys
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import Plant, announce, minutes, roll
from tests.integration.api.test_auth import bearer, guarded

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

FILE = """
facility: {id: linz, name: Linz works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: energy, quantity: energy, unit: kWh, kind: counter}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.energy, factor: f}]
thresholds: [{id: high, source: grid, measure: rate, above: 1, severity: critical}]
"""

HISTORY = (
    "/v1/emissions?facility=linz&from=2026-11-23T17:00:00Z&to=2026-11-23T18:00:00Z&interval=1h",
    "/v1/emissions?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z&interval=1d",
    "/v1/readings?facility=linz&from=2026-11-23T17:00:00Z&to=2026-11-23T18:00:00Z",
    "/v1/restatements?facility=linz",
    "/v1/alerts?facility=linz",
    "/v1/live?facility=linz&as_of=2026-11-23T17:59:00Z",
)


@pytest.fixture
def linz(connection: Connection, database_url: str, clock: FixedClock) -> Plant:
    apply_text(database_url, FILE)
    facility_id, source_id, channel_id = connection.execute(
        "SELECT f.id, s.id, c.id FROM facility f, source s, channel c"
    ).fetchone() or (0, 0, 0)
    newest = clock.now().replace(second=0)
    minutes(
        connection,
        source_id,
        [(newest - timedelta(minutes=i), 2.0, 60_000) for i in range(120)],
    )
    connection.execute(
        "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
        " VALUES (%s, %s, 5, 0, now(), 0)",
        (channel_id, newest - timedelta(minutes=30)),
    )
    connection.execute("UPDATE emission_hour SET known_at = hour, opened_at = hour")
    connection.execute("UPDATE source_revision SET known_at = '2026-11-01'")
    plant = Plant(facility_id=facility_id, slug="linz", timezone="UTC", sources={"grid": source_id})
    roll(connection, plant, newest)
    announce(connection, plant)
    return plant


async def history(client: httpx.AsyncClient) -> list[Any]:
    answers = [await client.get(path) for path in HISTORY]
    assert [each.status_code for each in answers] == [200] * len(HISTORY)
    return [each.json() for each in answers]


@pytest.mark.usefixtures("linz")
async def test_it_leaves_what_is_live_and_its_history_stays(client: httpx.AsyncClient) -> None:
    before = await history(client)
    assert before[0][0]["co2_kg"] == 120
    answer = await client.delete("/v1/facilities/linz", params={"reason": "kiln sold"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["retired_at"] is not None
    assert {k: v for k, v in body.items() if k != "retired_at"} == {
        "facility": "linz", "name": "Linz works", "retired_by": "someone without a key",
        "reason": "kiln sold", "devices": ["meter"], "sources": ["grid"], "thresholds": ["high"],
        "dry_run": False,
    }  # fmt: skip
    # again is the same, whatever else is said
    again = await client.delete("/v1/facilities/linz", params={"reason": "other"})
    assert (again.status_code, again.json()) == (200, body)
    for path in ("/v1/live?facility=linz", "/v1/stream?facility=linz"):
        gone = await client.get(path)
        assert gone.status_code == 410
        assert gone.json()["type"] == "urn:tonne:problem:facility-retired"
        assert "GET /v1/emissions?facility=linz has its history" in gone.json()["detail"]
    assert (await client.get("/v1/facilities")).json() == []
    assert (await client.get("/v1/thresholds")).json() == []
    assert await history(client) == before


@pytest.mark.usefixtures("linz")
async def test_what_is_told_of_its_past_says_that_it_is_retired(client: httpx.AsyncClient) -> None:
    told = [(await client.get(path)).headers.get("tonne-retired") for path in HISTORY[:4]]
    assert told == [None] * 4
    file = (await client.get("/v1/facilities/linz")).text
    retired_at = (await client.delete("/v1/facilities/linz")).json()["retired_at"]
    told = [(await client.get(path)).headers.get("tonne-retired") for path in HISTORY[:4]]
    # a sum over all facilities names none
    assert told == [f"linz={retired_at}", None, f"linz={retired_at}", f"linz={retired_at}"]
    listed = (await client.get("/v1/facilities", params={"retired": "true"})).json()
    assert [(f["id"], f["retired_at"]) for f in listed] == [("linz", retired_at)]
    assert [s["id"] for s in listed[0]["sources"]] == ["grid"]
    assert [d["id"] for d in listed[0]["devices"]] == ["meter"]
    explained = await client.get("/v1/explain?facility=linz&source=grid&hour=2026-11-23T17:00:00Z")
    assert explained.json()["facility_retired_at"] == retired_at
    marks = await client.get("/v1/annotations?from=now-1d&to=2100-01-01&kind=facility")
    assert [(m["time"], m["timeEnd"], m["title"]) for m in marks.json()] == [
        (retired_at, None, "linz is retired")
    ]
    assert (await client.get("/v1/facilities/linz")).text == file


@pytest.mark.usefixtures("linz")
async def test_a_dry_run_tells_and_changes_nothing(client: httpx.AsyncClient) -> None:
    tried = await client.delete("/v1/facilities/linz", params={"dry_run": "true"})
    assert tried.json()["retired_at"] is None
    assert tried.json()["devices"] == ["meter"]
    assert tried.json()["dry_run"] is True
    assert (await client.get("/v1/live?facility=linz")).status_code == 200


@pytest.mark.usefixtures("linz")
async def test_nothing_can_watch_it(client: httpx.AsyncClient) -> None:
    await client.delete("/v1/facilities/linz")
    refused = await client.put(
        "/v1/thresholds/more?facility=linz",
        json={"source": "grid", "measure": "rate", "above": 5, "severity": "warning"},
    )
    assert refused.status_code == 409
    assert "apply its file to bring it back" in refused.json()["detail"]


@pytest.mark.usefixtures("linz")
async def test_its_file_brings_it_back(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/facilities")).json()
    await client.delete("/v1/facilities/linz")
    file = (await client.get("/v1/facilities/linz")).text
    applied = await client.put("/v1/facilities/linz", content=file)
    assert applied.status_code == 200
    assert applied.json()["changes"][0].startswith("+ facility linz, retired since ")
    assert (await client.get("/v1/facilities")).json() == before
    live = await client.get("/v1/live?facility=linz")
    assert live.json()["totals"]["1h"]["co2_kg"] == 120


@pytest.mark.usefixtures("linz")
async def test_whoever_watches_it_is_let_go(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/v1/stream?facility=linz") as stream:
        events = stream.aiter_lines()
        assert await anext(events) == "event: live"
        await client.delete("/v1/facilities/linz")
        # it ends by itself, long before its life is over
        async for _ in events:
            pass


async def test_an_unknown_one_is_named_by_its_nearest(
    client: httpx.AsyncClient, linz: Plant
) -> None:
    assert linz.slug == "linz"
    answer = await client.delete("/v1/facilities/lins")
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("did you mean linz?")
    far = await client.delete("/v1/facilities/nowhere")
    assert far.json()["detail"].endswith("GET /v1/facilities lists facilities.")


@pytest.mark.usefixtures("linz")
async def test_it_takes_the_right_to_write_that_facility(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    reads = keys.create(connection, name="reads")
    elsewhere = keys.create(connection, name="other", scopes=["write"], facilities=None)
    connection.execute("UPDATE api_key SET facilities = '{graz}' WHERE name = 'other'")
    own = keys.create(connection, name="own", scopes=["write"], facilities=["linz"])
    path = "/v1/facilities/linz"
    assert (await guarded.delete(path)).status_code == 401
    assert (await guarded.delete(path, headers=bearer(reads))).status_code == 403
    hidden = await guarded.delete(path, headers=bearer(elsewhere))
    assert hidden.status_code == 404
    assert "did you mean" not in hidden.json()["detail"]
    retired = await guarded.delete(path, headers=bearer(own))
    assert retired.json()["retired_by"] == "key own"
