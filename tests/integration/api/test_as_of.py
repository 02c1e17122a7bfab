"""Totals as they were known: what the aggregator wrote, asked for through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.api.models.emissions import Emission
from services.api.models.live import Live
from services.core.runtime.clock import FixedClock
from services.core.store.computation import hours_then
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = instant("2024-06-01T00:00:00Z")
CORRECTED = FILE.replace("co2_kg: 0.25,", "co2_kg: 0.5,")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.tick_as_if(START)
    yield plant
    plant.close()


def quarters(start: datetime, end: datetime, kwh: float = 5.0) -> list[Reading]:
    """A reading for each quarter of an hour that ends in ``start .. end``."""
    count = (end - start) // (15 * MINUTE)
    return [Reading("meter.quarter", start + (i + 1) * 15 * MINUTE, kwh) for i in range(count)]


async def live(client: httpx.AsyncClient, **parameters: object) -> dict[str, Any]:
    response = await client.get("/v1/live", params={"facility": "works", **parameters})
    assert response.status_code == 200, response.text
    Live.model_validate_json(response.content)
    body: dict[str, Any] = json.loads(response.content)
    return body


async def rows(client: httpx.AsyncClient, **parameters: object) -> list[dict[str, Any]]:
    if "from_" in parameters:
        parameters["from"] = parameters.pop("from_")
    response = await client.get(
        "/v1/emissions", params={"facility": "works", "source": "by-interval", **parameters}
    )
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    for row in found:
        Emission.model_validate(row)
    return found


def totals(body: dict[str, Any]) -> dict[str, Any]:
    (source,) = [source for source in body["sources"] if source["id"] == "by-interval"]
    return {"facility": body["totals"], "source": source["totals"]}


async def test_totals_now_are_those_as_of_now(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    plant.store(quarters(START, START + 2 * DAY + 7 * HOUR + 30 * MINUTE))
    now = START + 2 * DAY + 7 * HOUR + 22 * MINUTE
    plant.tick_as_if(now)
    plant.tick_as_if(now + MINUTE)
    clock.instant = now + MINUTE + timedelta(seconds=20)
    body = await live(client)
    assert body["totals"]["24h"]["co2_kg"] > 110
    as_of = await live(client, as_of=clock.instant.isoformat())
    assert totals(as_of) == totals(body)
    assert as_of["rate_kg_h"] == body["rate_kg_h"]


async def test_what_a_restatement_changed_is_still_there_as_it_was_known(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    plant.store(quarters(START, START + 5 * HOUR))
    now = START + 6 * HOUR
    plant.tick_as_if(now)
    plant.tick_as_if(now + MINUTE)
    clock.instant = now + MINUTE
    before = await live(client)
    assert before["totals"]["today"]["co2_kg"] == pytest.approx(25.0)

    apply_text(database_url, CORRECTED)
    later = now + 5 * MINUTE
    plant.tick_as_if(later)
    clock.instant = later
    after = await live(client)
    assert after["totals"]["today"]["co2_kg"] == pytest.approx(50.0)

    clock.instant = later + DAY
    assert totals(await live(client, as_of=(now + MINUTE).isoformat())) == totals(before)
    assert totals(await live(client, as_of=later.isoformat())) == totals(after)

    span = {"from_": START.isoformat(), "to": (START + DAY).isoformat(), "interval": "1h"}
    then = await rows(client, as_of=(now + MINUTE).isoformat(), **span)
    assert [(r["co2_kg"], r["version"], r["state"]) for r in then] == [
        *[(pytest.approx(5.0), 1, "final")] * 5,
        *[(None, None, "provisional")] * 2,
    ]
    now_known = await rows(client, **span)
    assert [(r["co2_kg"], r["version"]) for r in now_known[:5]] == [(pytest.approx(10.0), 2)] * 5


async def test_an_open_hour_is_what_its_readings_had_come_to(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    plant.store(quarters(START, START + HOUR + 30 * MINUTE))
    open_at = START + HOUR + 5 * MINUTE
    plant.tick_as_if(open_at)
    plant.tick_as_if(START + 4 * HOUR)
    plant.tick_as_if(START + 4 * HOUR + MINUTE)
    apply_text(database_url, CORRECTED)
    plant.tick_as_if(START + 5 * HOUR)
    clock.instant = START + DAY
    span = {"from_": START.isoformat(), "to": (START + 3 * HOUR).isoformat(), "interval": "1h"}
    then = await rows(client, as_of=open_at.isoformat(), **span)
    # the second hour runs, with readings dated ahead of it
    assert [(r["co2_kg"], r["state"]) for r in then] == [
        (pytest.approx(5.0), "provisional"),
        (pytest.approx(2.5), "provisional"),
    ]
    assert then[1]["coverage"] == 1.0
    # windows end in hours that were restated since: the last 60 minutes
    found = totals(await live(client, as_of=open_at.isoformat()))["source"]
    assert found["1h"]["co2_kg"] == pytest.approx(5.0)
    assert found["today"]["co2_kg"] == pytest.approx(5.0 * 66 / 60)
    # the source was not yet known to anybody
    before = await rows(client, as_of=(START - MINUTE).isoformat(), **span)
    assert before == []


async def test_one_limit_holds_for_all_of_an_answer(
    client: httpx.AsyncClient,
    plant: Plant,
    clock: FixedClock,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apply_text(database_url, FILE.replace("id: works", "id: mill"))
    plant.store(quarters(START, START + HOUR))
    plant.tick_as_if(START + 40 * MINUTE)
    plant.tick_as_if(START + 3 * HOUR)
    # the other facility's hour came in at the same time
    plant.connection.execute(
        "INSERT INTO emission_hour SELECT (jsonb_populate_record(h, jsonb_build_object("
        " 'source_id', o.id))).* FROM emission_hour h JOIN source s ON s.id = h.source_id"
        " JOIN source o ON o.slug = s.slug AND o.id <> s.id WHERE s.slug = 'by-interval'"
    )
    clock.instant = START + DAY
    asked = {
        "facility": ["works", "mill"], "source": "by-interval", "interval": "1h",
        "from": START.isoformat(), "to": (START + HOUR).isoformat(),
        "as_of": (START + 45 * MINUTE).isoformat(),
    }  # fmt: skip
    monkeypatch.setattr(hours_then, "MAX_OPEN_HOURS", 2)
    answer = await client.get("/v1/emissions", params=asked)
    assert [(row["facility"], row["co2_kg"]) for row in answer.json()] == [
        # nothing had arrived for it
        ("mill", None), ("works", pytest.approx(5.0)),
    ]  # fmt: skip
    monkeypatch.setattr(hours_then, "MAX_OPEN_HOURS", 1)
    answer = await client.get("/v1/emissions", params=asked)
    assert answer.status_code == 422
    assert "ask for fewer facilities or sources, or for a shorter time span" in answer.text


async def test_what_came_later_was_not_known(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    plant.tick_as_if(START + 3 * DAY)
    plant.store(quarters(START, START + DAY))
    plant.tick_as_if(START + 3 * DAY + HOUR)
    plant.tick_as_if(START + 3 * DAY + HOUR + MINUTE)
    clock.instant = START + 4 * DAY
    as_of = (START + 2 * DAY).isoformat()
    assert (await live(client, as_of=as_of))["totals"]["30d"]["co2_kg"] is None
    (day,) = await rows(
        client, as_of=as_of, from_="2024-05-31T22:00:00Z", to="2024-06-01T22:00:00Z", interval="1d"
    )
    assert (day["co2_kg"], day["share_missing"]) == (None, 1.0)
    as_of = (START + 3 * DAY + HOUR + MINUTE).isoformat()
    assert (await live(client, as_of=as_of))["totals"]["30d"]["co2_kg"] == pytest.approx(120.0)


async def test_what_a_retired_source_emitted_stays_while_it_is_in_a_window(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    plant.store(quarters(START, START + 2 * HOUR))
    plant.tick_as_if(START + 2 * HOUR)
    without = FILE.replace(
        "  - {id: by-interval, scope: 2, method: activity, input: meter.quarter, factor: f}\n", ""
    )
    apply_text(database_url, without)
    retired_at = START + 3 * HOUR
    plant.tick_as_if(retired_at)
    plant.tick_as_if(START + 4 * HOUR + MINUTE)
    clock.instant = START + 4 * HOUR + MINUTE
    body = await live(client)
    (source,) = [s for s in body["sources"] if s["id"] == "by-interval"]
    assert (source["active"], source["counts"], source["rate_kg_h"]) == (False, True, None)
    assert body["totals"]["24h"]["co2_kg"] == pytest.approx(10.0)
    # nothing is missing of the time after it was retired
    assert source["totals"]["today"]["shares"]["measured"] == pytest.approx(2 / 5)
    assert body["totals"]["1h"]["co2_kg"] is None
    assert plant.rows("SELECT bool_and(final) FROM emission_hour") == [(True,)]

    clock.instant = START + 27 * HOUR
    plant.tick_as_if(clock.instant)
    body = await live(client)
    assert body["totals"]["24h"]["co2_kg"] is None
    assert body["totals"]["7d"]["co2_kg"] == pytest.approx(10.0)

    # a source that counts the same readings takes its place
    apply_text(database_url, FILE.replace("id: by-interval", "id: renamed"))
    clock.instant += MINUTE
    plant.tick_as_if(clock.instant)
    body = await live(client)
    assert body["totals"]["7d"]["co2_kg"] == pytest.approx(10.0)
    counts = {s["id"]: s["counts"] for s in body["sources"] if s["totals"]["7d"]["co2_kg"]}
    assert counts == {"by-interval": False, "renamed": True}

    # which it had not done then
    as_of = (START + 2 * HOUR + 30 * MINUTE).isoformat()
    then = await live(client, as_of=as_of)
    (group,) = (
        await client.get(
            "/v1/emissions",
            params={"group_by": "facility", "interval": "1d", "as_of": as_of,
                    "from": "2024-05-31T22:00:00Z", "to": "2024-06-01T22:00:00Z"},
        )
    ).json()  # fmt: skip
    assert then["totals"]["today"]["co2_kg"] == pytest.approx(10.0)
    assert group["co2_kg"] == then["totals"]["today"]["co2_kg"]
    of_source = await rows(client, as_of=as_of, interval="1h", from_=START.isoformat(), to=as_of)
    assert {row["counts"] for row in of_source} == {True}
