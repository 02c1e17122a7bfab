"""Which share of totals counted by factors of the hour: in rows, in live totals, in the call."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import nanoarrow as na
import psycopg
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import apply_text, instant
from tests.integration.api.plant import HOUR
from tests.integration.api.test_electricity import insert
from tests.integration.store.test_hourly_factors import bring
from tests.services import Postgres

NOW = instant("2026-03-02T10:30:00Z")
LEVELS = ("hour", "month", "year", "other", "figures")

_FILE = """
facility: {id: SITE, name: Site, timezone: ZONE}
devices:
  - {id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 1000},
                       {id: f, quantity: energy, unit: kWh, kind: counter, max_rate: 1000},
                       {id: g, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}]}
factors:
  - {id: grid, kind: series, unit: kWh, fallback: [month, national], valid_from: 2026-03-01,
     citation: operator}
  - {id: grid, unit: kWh, co2_kg: 0.5, valid_to: 2026-03-01, citation: ministry}
  - {id: national, unit: kWh, co2_kg: 0.9, citation: ministry}
  - {id: other, kind: series, unit: kWh, fallback: [national], citation: operator}
sources:
  - {id: bought, scope: 2, method: activity, input: m.e, factor: grid}
  - {id: hall, scope: 2, method: activity, input: m.f, factor: other}
  - {id: plain, scope: 2, method: activity, input: m.g, factor: national}
"""

_VALUES = (*range(9), *range(12, 30))

#: Minutes of the hours in India, whose days are summed from them.
_MINUTES = """
INSERT INTO emission_minute (source_id, minute, co2_ug, co2e_ug, market_ug, covered_ms)
SELECT h.source_id, h.hour + make_interval(mins => n), ug, ug, 0, 60000
FROM emission_hour h
JOIN source s ON s.id = h.source_id JOIN facility f ON f.id = s.facility_id AND f.slug = 'pune',
     generate_series(0, 59) n,
     LATERAL (SELECT h.co2_ug / 60 + CASE n WHEN 0 THEN h.co2_ug % 60 ELSE 0 END AS ug) m
"""


@pytest.fixture(scope="module")
def sites(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """Two days and a half of three sources; masses are such that no two hours look alike."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        for slug, zone in (("works", "Europe/Vienna"), ("pune", "Asia/Kolkata")):
            apply_text(url, _FILE.replace("SITE", slug).replace("ZONE", zone))
        with psycopg.connect(url, autocommit=True) as connection:
            for i in range(59):
                begins = (instant("2026-02-28T00:00:00Z") + i * HOUR).isoformat()
                for number, source in enumerate(("bought", "hall", "plain"), start=1):
                    insert(connection, ["works", "pune"], source, begins, 10.0, number + i / 7)
            connection.execute(_MINUTES)
            connection.execute("UPDATE source_revision SET known_at = '2026-01-01T00:00:00Z'")
            connection.execute("UPDATE factor SET known_from = '2026-01-01T00:00:00Z'")
        march = instant("2026-03-01T00:00:00Z")
        for facility in (1, 2):
            for factor in ("grid", "other"):
                # three hours of the first day have no value, nor has the second day from six on
                for first, hours in ((0, 9), (12, 18)):
                    bring(
                        url,
                        [0.3] * hours,
                        first=march + first * HOUR,
                        facility=facility,
                        slug=factor,
                    )
        yield url


@pytest.fixture
def database_url(sites: str) -> str:
    """The API's database, in place of an empty one."""
    return sites


@pytest.fixture(autouse=True)
def _present(clock: FixedClock) -> None:
    clock.instant = NOW


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stated(client: httpx.AsyncClient, begins: str, ends: str, **more: Any) -> dict[Any, Any]:
    """Return kg by source and level, as the call about factors tells them."""
    rows = await get(client, "/v1/factors/shares", **{"from": begins, "to": ends}, **more)
    kg: dict[Any, Any] = {}
    for row in rows:
        level = row["used"] if row["used"] in LEVELS else "other"
        kg[row["source"], level] = row["co2_kg"]
    return kg


def check(row: dict[str, Any], kg: dict[Any, Any], sources: tuple[str, ...]) -> None:
    shares = [row[f"factor_{level}"] for level in LEVELS]
    masses = [sum(kg.get((source, level), 0) for source in sources) for level in LEVELS]
    assert sum(round(share * 1_000_000) for share in shares) == 1_000_000
    assert shares == pytest.approx([mass / sum(masses) for mass in masses], abs=1e-6)
    assert len([share for share in shares if share]) > 0


@pytest.mark.parametrize(
    ("interval", "begins", "ends"),
    [
        ("1h", "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"),
        ("1h", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"),
        ("1d", "2026-02-27T23:00:00Z", "2026-02-28T23:00:00Z"),
        ("1d", "2026-02-28T23:00:00Z", "2026-03-01T23:00:00Z"),
        ("1d", "2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"),
        ("1mo", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        ("1y", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"),
    ],
)
async def test_rows_say_what_the_call_about_factors_says(
    client: httpx.AsyncClient, interval: str, begins: str, ends: str
) -> None:
    asked = {"facility": "works", "from": begins, "to": ends, "interval": interval}
    rows = {row["source"]: row for row in await get(client, "/v1/emissions", **asked)}
    kg = await stated(client, begins, ends, facility="works")
    for source in ("bought", "hall"):
        check(rows[source], kg, (source,))
        assert sum(kg.get((source, level), 0) for level in LEVELS) == pytest.approx(
            rows[source]["co2_kg"], abs=1e-9
        )
    assert rows["plain"]["factor_hour"] is None
    (group,) = await get(client, "/v1/emissions", **asked, group_by="facility")
    check(group, kg, ("bought", "hall"))


async def test_every_format_and_chosen_fields_have_them(client: httpx.AsyncClient) -> None:
    asked = {
        "facility": "works",
        "source": "bought",
        "from": "2026-02-28",
        "to": "now",
        "interval": "1mo",
    }
    rows = await get(client, "/v1/emissions", **asked)
    names = [f"factor_{level}" for level in LEVELS]
    told = [[row[name] for name in names] for row in rows]
    assert all(len({*row}) > 1 for row in told)
    chosen = await get(client, "/v1/emissions", **asked, fields="time,factor_month,factor_hour")
    assert [(r["factor_month"], r["factor_hour"]) for r in chosen] == [
        (r["factor_month"], r["factor_hour"]) for r in rows
    ]
    text = await client.get("/v1/emissions", params={**asked, "format": "csv"})
    lines = csv.DictReader(io.StringIO(text.text))
    assert [[float(line[name]) for name in names] for line in lines] == told
    stream = await client.get("/v1/emissions", params={**asked, "format": "arrow"})
    table = na.ArrayStream.from_readable(stream.content).read_all()
    fields = [field.name for field in table.schema.fields]
    columns = [table.child(fields.index(name)).to_pylist() for name in names]
    assert [list(row) for row in zip(*columns, strict=True)] == told
    hours = await get(client, "/v1/emissions", **{**asked, "facility": "pune", "interval": "1h"})
    assert {row["factor_hour"] for row in hours} == {0.0, 1.0}


async def test_live_totals_say_what_the_call_about_factors_says(client: httpx.AsyncClient) -> None:
    live = (await get(client, "/v1/live", facility="works"))["hourly_factors"]
    for window, begins in (
        ("today", "2026-03-01T23:00:00Z"),
        ("month", "2026-02-28T23:00:00Z"),
        ("year", "2025-12-31T23:00:00Z"),
    ):
        kg = await stated(client, begins, "2026-03-02T23:00:00Z", facility="works")
        told = live["totals"][window]
        assert told["co2_kg"] == pytest.approx(sum(kg.values()), abs=1e-9)
        check({f"factor_{level}": told[level] for level in LEVELS}, kg, ("bought", "hall"))
        for of_source in live["sources"]:
            told = of_source["totals"][window]
            row = {f"factor_{level}": told[level] for level in LEVELS}
            check(row, kg, (of_source["source"],))
    assert [s["factor"] for s in live["sources"]] == ["grid", "other"]
    india = (await get(client, "/v1/live", facility="pune"))["hourly_factors"]
    assert sum(india["totals"]["today"][level] for level in LEVELS) == pytest.approx(1)


@pytest.mark.parametrize("interval", ["1d", "1mo", "1y"])
async def test_days_that_begin_within_an_hour_say_what_their_half_hours_say(
    client: httpx.AsyncClient, clock: FixedClock, interval: str
) -> None:
    clock.instant = instant("2026-03-02T10:59:30Z")
    asked = {"facility": "pune", "from": "2026-02-28T18:30:00Z", "to": "2026-03-02T11:00:00Z"}
    rows = await get(client, "/v1/emissions", **asked, interval=interval)
    for row in (row for row in rows if row["source"] != "plain"):
        ends = min(
            (other["time"] for other in rows if other["time"] > row["time"]), default=asked["to"]
        )
        halves = await get(
            client, "/v1/emissions", facility="pune", source=row["source"], interval="30m",
            **{"from": row["time"], "to": ends},
        )  # fmt: skip
        kg = {
            (row["source"], level): sum(
                half["co2_kg"] * half[f"factor_{level}"]
                for half in halves
                if half["co2_kg"] is not None
            )
            for level in LEVELS
        }
        check(row, kg, (row["source"],))
        assert sum(kg.values()) == pytest.approx(row["co2_kg"], abs=1e-9)


async def test_shares_are_told_as_of_then(client: httpx.AsyncClient) -> None:
    asked = {"facility": "works", "as_of": "2026-03-02T10:00:00Z"}
    begins, ends = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
    # values came after that
    assert {level for _, level in await stated(client, begins, ends, **asked)} == {"other"}
    rows = await get(
        client, "/v1/emissions", **asked, **{"from": begins, "to": ends, "interval": "1h"}
    )
    counting = [row for row in rows if row["source"] != "plain"]
    assert {row["factor_other"] for row in counting if row["co2_kg"] is not None} == {1.0}
