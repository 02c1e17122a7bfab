"""A register that is read too seldom: its amounts are right in sum, minute by minute a guess."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant

START = instant("2026-03-02T00:00:00Z")
HOUR = timedelta(hours=1)
FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - {id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}]}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a round figure}]
sources: [{id: grid, scope: 2, method: activity, input: m.e, factor: f}]
"""
NOW = START + 8 * HOUR


@pytest.fixture
def plant(database_url: str, clock: FixedClock) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    clock.instant = NOW
    yield plant
    plant.close()


async def rows(client: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    span = {"facility": "works", "from": START.isoformat(), "to": (START + 6 * HOUR).isoformat()}
    response = await client.get("/v1/emissions", params={**span, **parameters})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


async def day(client: httpx.AsyncClient) -> dict[str, Any]:
    live = (await client.get("/v1/live", params={"facility": "works"})).json()
    assert live["sources"][0]["totals"]["24h"] == live["totals"]["24h"]
    total: dict[str, Any] = live["totals"]["24h"]
    return total


def read_hourly_but_for_three_hours(plant: Plant) -> None:
    """At 0, 1, 2, 5 and 6 o'clock."""
    plant.store([Reading("m.e", START + n * HOUR, 100.0 * n) for n in (0, 1, 2, 5, 6)])
    plant.tick_as_if(NOW - timedelta(minutes=1))
    plant.tick_as_if(NOW)


async def test_what_lies_in_a_long_gap_is_estimated_until_a_reading_comes(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    read_hourly_but_for_three_hours(plant)
    hours = await rows(client, interval="1h")
    assert [row["quality"] for row in hours] == ["measured"] * 2 + ["estimated"] * 3 + ["measured"]
    assert [row["share_estimated"] for row in hours] == [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    assert all(row["coverage"] == 1.0 and row["co2_kg"] == 50.0 for row in hours)
    minutes = await rows(client, interval="15m")
    assert [row["quality"] for row in minutes].count("estimated") == 12
    total = await day(client)
    assert total["co2_kg"] == 300.0
    assert total["shares"] == {
        "measured": 3 / 24,
        "substituted": 0.0,
        "estimated": 3 / 24,
        "missing": 18 / 24,
    }

    # the hours were final: a late reading that tells when it flowed restates them
    plant.store([Reading("m.e", START + n * HOUR, 100.0 * n) for n in (3, 4)])
    plant.tick_as_if(NOW)
    hours = await rows(client, interval="1h")
    assert [(row["quality"], row["version"]) for row in hours] == [
        ("measured", 1), ("measured", 1), ("measured", 2), ("measured", 2), ("measured", 2),
        ("measured", 1),
    ]  # fmt: skip
    total = await day(client)
    assert (total["co2_kg"], total["shares"]["estimated"]) == (300.0, 0.0)
    then = await rows(client, interval="1h", as_of=(NOW - timedelta(seconds=1)).isoformat())
    assert [row["quality"] for row in then] == [
        *["measured"] * 2, *["estimated"] * 3, "measured",
    ]  # fmt: skip
    assert [row["share_estimated"] for row in then] == [0.0, 0.0, 1.0, 1.0, 1.0, 0.0]


async def test_the_totals_of_then_tell_what_was_estimated_then(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    asked = START + timedelta(hours=27, minutes=30)
    plant.store([Reading("m.e", START + n * HOUR, 100.0 * n) for n in (0, 1, 2, 5, 6)])
    plant.tick_as_if(asked - timedelta(minutes=31))
    plant.tick_as_if(asked - timedelta(minutes=30))
    clock.instant = asked
    before = await day(client)
    # the window begins in the middle of an estimated hour
    assert before["shares"]["estimated"] == pytest.approx(89 / 1440)
    assert before["shares"]["measured"] == pytest.approx(60 / 1440)

    plant.store([Reading("m.e", START + n * HOUR, 100.0 * n) for n in (3, 4)])
    plant.tick_as_if(asked + HOUR)
    clock.instant = asked + 2 * HOUR
    query = {"facility": "works", "as_of": asked.isoformat()}
    then = (await client.get("/v1/live", params=query)).json()["totals"]["24h"]
    assert then["shares"] == pytest.approx(before["shares"])


async def test_a_channel_says_how_far_apart_its_readings_may_be(
    client: httpx.AsyncClient, plant: Plant, database_url: str
) -> None:
    read_hourly_but_for_three_hours(plant)
    for hours, estimated in (("3h", 0), ("30m", 6)):
        text = FILE.replace("max_rate: 1000", f"max_rate: 1000, estimated_after: {hours}")
        apply_text(database_url, text)
        plant.tick_as_if(NOW)
        found = await rows(client, interval="1h")
        assert [row["quality"] for row in found].count("estimated") == estimated
        assert sum(row["co2_kg"] for row in found) == 300.0
