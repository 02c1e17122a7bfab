"""What stands beside a total: that its factor is stale, and what flowed out of the site."""

from __future__ import annotations

import csv as csv_rows
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import nanoarrow
import pytest

from services.core.accounting.factor_calendar import FactorAge, stale_factor
from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import FILE, Plant, apply_text, instant
from tests.integration.api.test_as_of import live, quarters, rows

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = instant("2026-03-14T00:00:00Z")
_TOLD = "factor of 2023; a newer one is expected since June 2024"
#: From 16 March on the figure of 2023 holds.
STALE = FILE.replace(
    "co2_kg: 0.2, valid_from: 2026-01-01,",
    "co2_kg: 0.2, valid_from: 2026-01-01, valid_to: 2026-03-16, citation: b}\n"
    "  - {id: f, unit: kWh, co2_kg: 0.3, valid_from: 2026-03-16, data_year: 2023,"
    " successor_expected: 2024-06-30,",
)
BOTH = FILE.replace("length: 15m, stamp: end", "length: 15m, stamp: end, direction: both")

Build = Callable[[str], Plant]


@pytest.fixture
def plant(database_url: str) -> Iterator[Build]:
    built: list[Plant] = []

    def build(text: str) -> Plant:
        built.append(Plant(database_url, text))
        return built[-1]

    yield build
    for each in built:
        each.close()


def by_interval(body: dict[str, Any]) -> dict[str, Any]:
    (source,) = [source for source in body["sources"] if source["id"] == "by-interval"]
    return source


async def test_a_total_says_how_much_of_it_counted_by_a_stale_factor(
    client: httpx.AsyncClient, plant: Build, clock: FixedClock, database_url: str
) -> None:
    works = plant(STALE)
    works.tick_as_if(START)
    works.store(quarters(START, START + 4 * DAY))
    now = START + 4 * DAY
    works.tick_as_if(now)
    works.tick_as_if(now + MINUTE)
    clock.instant = now + MINUTE
    asked = {
        "from_": "2026-03-14T23:00:00Z",
        "to": "2026-03-17T23:00:00Z",
        "interval": "1d",
    }
    # Vienna's midnight: the day before counts by what is no figure of a year at all
    days = [(r["stale_factor"], r["stale_factor_share"]) for r in await rows(client, **asked)]
    assert days == [(None, 0.0), (_TOLD, 1.0), (_TOLD, 1.0)]
    (week,) = await rows(client, **{**asked, "from_": "2026-03-15T23:00:00Z", "interval": "1w"})
    assert (week["stale_factor"], week["stale_factor_share"]) == (_TOLD, 1.0)
    (month,) = await rows(client, from_="2026-03-02", to="2026-03-30", interval="1mo")
    until = 17 + 1 / 24 + 2 / 24 / 60  # days of March that are over in Vienna
    assert month["stale_factor"] == _TOLD
    assert month["stale_factor_share"] == pytest.approx((until - 15) / until, abs=1e-6)
    # a gap counts by no factor
    gaps = await rows(client, **{**asked, "source": "by-gauge"})
    assert {(r["stale_factor"], r["stale_factor_share"]) for r in gaps} == {(None, 0.0)}

    body = await live(client)
    source = by_interval(body)
    assert source["stale_factor"] == _TOLD
    assert source["totals"]["24h"]["stale_factor_share"] == 1.0
    assert source["totals"]["7d"]["stale_factor_share"] == pytest.approx((2 + 1 / 24) / 7, abs=1e-3)
    # three sources count by it, and of the stack's time none does
    assert 0 < body["totals"]["24h"]["stale_factor_share"] <= 1.0
    stack = next(s for s in body["sources"] if s["id"] == "stack")
    assert stack["totals"]["24h"]["stale_factor_share"] == 0.0

    # the same in CSV and Arrow
    asked = {"facility": "works", "source": "by-interval", "from": "2026-03-16T00:00:00Z",
             "to": "2026-03-16T10:00:00Z", "interval": "1d"}  # fmt: skip
    csv = await client.get("/v1/emissions", params=asked, headers={"Accept": "text/csv"})
    (row,) = csv_rows.DictReader(csv.text.splitlines())
    assert (row["stale_factor"], row["stale_factor_share"]) == (_TOLD, "1.0")
    arrow = await client.get(
        "/v1/emissions",
        params=asked,
        headers={"Accept": "application/vnd.apache.arrow.stream"},
    )
    columns = nanoarrow.ArrayStream.from_readable(arrow.content).read_all()
    (row,) = columns.to_pylist()
    assert (row["stale_factor"], row["stale_factor_share"]) == (_TOLD, 1.0)

    # with the newer figure it is stale no more, and was at the time
    apply_text(database_url, STALE.replace("data_year: 2023", "data_year: 2026"))
    works.tick_as_if(now + HOUR)
    clock.instant = now + HOUR
    day = {"from_": "2026-03-16", "to": "2026-03-17", "interval": "1h"}
    assert {r["stale_factor"] for r in await rows(client, **day)} == {None}
    then = (now + MINUTE).isoformat()
    told = {r["stale_factor"] for r in await rows(client, **day, as_of=then)}
    assert told == {_TOLD}
    assert by_interval(await live(client))["stale_factor"] is None
    assert by_interval(await live(client, as_of=then))["stale_factor"] == _TOLD
    for as_of, why in ((clock.instant.isoformat(), None), (then, _TOLD)):
        hour = {"facility": "works", "source": "by-interval", "hour": "2026-03-16T12:00:00Z"}
        explained = (await client.get("/v1/explain", params={**hour, "as_of": as_of})).json()
        assert explained["factor"]["stale"] == why


def test_a_market_factor_is_told_apart() -> None:
    grid = FactorAge(data_year=2025, newest_year=2026)
    market = FactorAge(data_year=2024, successor_expected=date(2026, 1, 31), called="market factor")
    told = stale_factor([grid, market], date(2026, 3, 1))
    assert told is not None
    assert told.since == date(2025, 1, 1)
    assert told.why == (
        "factor of 2025, 2026 is out; market factor of 2024; a newer one is expected since"
        " January 2026"
    )
    assert stale_factor([grid, market], date(2025, 12, 31)) is None


async def test_export_stands_beside_every_window(
    client: httpx.AsyncClient, plant: Build, clock: FixedClock
) -> None:
    works = plant(BOTH)
    works.tick_as_if(START)
    works.store(
        [
            replace(reading, value=-2.0 if i % 4 == 1 else 5.0)
            for i, reading in enumerate(quarters(START, START + 2 * DAY))
        ]
    )
    now = START + 2 * DAY
    works.tick_as_if(now)
    works.tick_as_if(now + MINUTE)
    clock.instant = now + MINUTE
    body = await live(client)
    for whole in (body, by_interval(body)):
        assert whole["totals"]["7d"]["exported_kwh"] == pytest.approx(2.0 * 48)
        assert whole["totals"]["24h"]["exported_kwh"] == pytest.approx(2.0 * 24, rel=1e-2)
    # nothing is deducted
    assert by_interval(body)["totals"]["7d"]["co2_kg"] == pytest.approx(15.0 * 48 * 0.2)
    assert next(s for s in body["scopes"] if s["scope"] == 2)["totals"]["7d"][
        "exported_kwh"
    ] == pytest.approx(2.0 * 48)
    others = [s["totals"]["7d"]["exported_kwh"] for s in body["sources"]]
    assert [kwh for kwh in others if kwh is not None] == [pytest.approx(2.0 * 48)]
    as_of = await live(client, as_of=clock.instant.isoformat())
    assert by_interval(as_of)["totals"] == by_interval(body)["totals"]
    # as time goes on it leaves the windows again
    works.tick_as_if(now + 30 * HOUR)
    clock.instant = now + 30 * HOUR
    later = by_interval(await live(client))["totals"]
    assert (later["24h"]["exported_kwh"], later["7d"]["exported_kwh"]) == (
        None,
        pytest.approx(2.0 * 48),
    )
