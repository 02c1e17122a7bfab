"""Scope 2 by the hour: matched by hour, month and year, with certificates, and as it was known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import nanoarrow as na
import psycopg
import pytest

from services.core.facility.errors import ApplyError
from services.core.facility.file import parse
from services.core.runtime.clock import FixedClock
from services.core.store.database.connect import engine
from services.core.store.registry.apply import apply
from tests.integration.aggregator.plant import apply_text, instant
from tests.services import Postgres

NOW = instant("2026-11-23T18:00:30Z")
FIRST = "2026-11-23T06:00:00Z"
LAST = "2026-11-23T12:00:00Z"

LOAD_MWH = (10, 12, 8, 15, 20, 5)
CONTRACTED_MWH = (0, 20, 20, 10, 5, 0)
RESIDUAL = (0.55, 0.45, 0.40, 0.50, 0.65, 0.70)
GRID = (0.5, 0.3, 0.2, 0.4, 0.6, 0.7)

_SITE = """
facility: {id: SITE, name: Site, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 100000}]
  - id: pv
    channels:
      - {id: generation, quantity: energy, unit: MWh, kind: counter, max_rate: 100}
      - {id: into, quantity: energy, unit: MWh, kind: counter, max_rate: 10000}
      - {id: out, quantity: energy, unit: MWh, kind: counter, max_rate: 10000}
  - id: gas
    channels: [{id: volume, quantity: volume, unit: m3, kind: counter, max_rate: 100}]
factors:
  - {id: grid, unit: kWh, co2_kg: 0.3, citation: a}
  - {id: rest, unit: kWh, co2_kg: 0.5, basis: market, citation: b}
  - {id: burnt, unit: MWh, co2_kg: 400, citation: c}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid, market_factor: rest}
  - {id: boiler, scope: 1, method: activity, input: gas.volume, factor: natural-gas,
     calorific_value: 39.3}
electricity:
  zone: AT
  match: MATCH
  grid_carbon_free: [{percent: 50}]
  contracts:
    - {id: park, technology: wind, citation: PPA 1}
"""


def certificates(*more: str, prefix: str = "EECS 00") -> str:
    lines = [
        f"{{id: '{prefix}{i}', contract: park, hour: '2026-11-23T{6 + i:02}:00:00Z',"
        f" mwh: {mwh}, retired: 2026-11-23}}"
        for i, mwh in enumerate(CONTRACTED_MWH)
        if mwh
    ]
    return "  certificates:\n" + "".join(f"    - {line}\n" for line in (*lines, *more))


def site(slug: str, match: str, *more: str) -> str:
    return _SITE.replace("SITE", slug).replace("MATCH", match) + "".join(more)


MATCHED = site("matched", "hourly", certificates())
ANNUAL = site("yearly", "annual", certificates(prefix="annual-"))
MONTHS = site(
    "months",
    "[{policy: annual}, {policy: ghgp-2025-draft, from: 2026-11-24}]",
    "    - {id: far, technology: gas, factor: burnt, share: 50, zone: CZ}\n",
    "  certificates:\n",
    "    - {id: m1, contract: park, month: 2026-11, mwh: 20, retired: 2026-11-20}\n",
    "    - {id: m2, contract: park, month: 2026-11, mwh: 99}\n",
    "    - {id: m3, contract: park, month: 2026-10, mwh: 99, retired: 2027-01-01}\n",
)
SHARED = site(
    "shared",
    "hourly",
    "    - {id: plant, technology: gas, factor: burnt, share: 40, to: 2026-11-23}\n",
    "    - {id: certified, technology: gas, factor: burnt, share: 40, certified: true}\n",
    "  certificates:\n",
    "    - {id: c1, contract: certified, month: 2026-11, mwh: 14, retired: 2026-11-20}\n",
)

SHIFTED = site(
    "shifted",
    "hourly",
    "    - {id: pv, technology: solar, channel: pv.generation}\n",
    "  storage: [{id: pond, charge: pv.into, discharge: pv.out, efficiency: 50,"
    " from: 2026-11-01, contract: pv}]\n",
)
STORED = site(
    "stored",
    "hourly",
    "  storage: [{id: battery, charge: pv.into, discharge: pv.out, efficiency: 85,"
    " from: 2026-11-01}]\n",
)
# of a week before: MWh, and t/MWh of the hours from 6 to 10
CHARGED_MWH = (200, 1000, 2000, 1100, 700)
CHARGED_AT = (0.15, 0.25, 0.20, 0.10, 0.30)
DISCHARGED_MWH = (1000, 200, 1700, 800, 550)

_HOUR = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, covered_ms,
    version, final, quality, reason, known_at, opened_at)
SELECT s.id, %(hour)s, %(co2)s, %(co2)s, %(market)s, %(amount)s, 3600000, 1, true, 'measured',
       'closed', %(hour)s::timestamptz + interval '1 hour', %(hour)s::timestamptz
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE s.slug = %(source)s AND f.slug = ANY(%(facilities)s)
"""


def insert(
    connection: psycopg.Connection[Any],
    facilities: list[str],
    source: str,
    hour: str,
    amount: float,
    co2_kg: float = 0.0,
    market_kg: float = 0.0,
) -> None:
    connection.execute(
        _HOUR,
        {
            "hour": hour,
            "co2": round(co2_kg * 1e9),
            "market": round(market_kg * 1e9),
            "amount": round(amount * 1e9),
            "facilities": facilities,
            "source": source,
        },
    )


@pytest.fixture(scope="module")
def sites(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """Facilities with the same six hours, under several rules; one states no electricity."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plain = site("plain", "hourly")
        slugs = ["matched", "yearly", "months", "shared", "plain", "shifted"]
        plain = plain[: plain.index("electricity:")]
        for text in (MATCHED, ANNUAL, MONTHS, SHARED, plain, SHIFTED, STORED):
            apply_text(url, text)
        with psycopg.connect(url, autocommit=True) as connection:
            for i, mwh in enumerate(LOAD_MWH):
                hour, kwh = f"2026-11-23T{6 + i:02}:00:00Z", mwh * 1000
                insert(connection, slugs, "grid", hour, kwh, kwh * GRID[i], kwh * RESIDUAL[i])
                insert(connection, ["shifted"], "pv.generation", hour, CONTRACTED_MWH[i])
                insert(connection, ["shifted"], "pv.into", hour, (0, 8, 12, 0, 0, 0)[i])
                insert(connection, ["shifted"], "pv.out", hour, (0, 0, 0, 4, 6, 1)[i])
            for i, mwh in enumerate(CHARGED_MWH):
                hour, kg = f"2026-11-16T{6 + i:02}:00:00Z", mwh * 1000 * CHARGED_AT[i]
                insert(connection, ["stored"], "grid", hour, mwh * 1000, kg, kg / 2)
                insert(connection, ["stored"], "pv.into", hour, mwh)
                out = f"2026-11-23T{6 + i:02}:00:00Z"
                insert(connection, ["stored"], "pv.out", out, DISCHARGED_MWH[i])
            connection.execute("UPDATE electricity_revision SET known_at = '2026-11-23T10:30:00Z'")
            connection.execute("UPDATE source_revision SET known_at = '2026-01-01T00:00:00Z'")
            connection.execute("UPDATE factor SET known_from = '2026-01-01T00:00:00Z'")
        yield url


@pytest.fixture
def database_url(sites: str) -> str:
    """The API's database, in place of an empty one."""
    return sites


@pytest.fixture(autouse=True)
def _present(clock: FixedClock) -> None:
    clock.instant = NOW


async def ask(
    client: httpx.AsyncClient, path: str = "/v1/electricity", **parameters: object
) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"from": FIRST, "to": LAST, **parameters}
    response = await client.get(path, params=asked)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    return rows


@pytest.mark.vector
async def test_hours_are_matched_with_the_certificates_of_the_hour(
    client: httpx.AsyncClient,
) -> None:
    rows = await ask(client, facility="matched", interval="1h")
    assert [row["load_kwh"] for row in rows] == [1000 * mwh for mwh in LOAD_MWH]
    assert [row["matched_kwh"] for row in rows] == [0, 12_000, 8_000, 10_000, 5_000, 0]
    (day,) = await ask(client, facility="matched", interval="1d")
    assert day["time"] == "2026-11-22T23:00:00Z"
    assert (day["matched_kwh"], day["matched_share"], day["hourly_share"]) == (35_000, 0.5, 0.5)
    assert (day["known_hours"], day["unmatched_hours"]) == (6, 4)
    assert day["co2_location_kg"] == pytest.approx(31_700, abs=1e-6)
    assert day["co2_market_kg"] == pytest.approx(21_250, abs=1e-6)
    assert (day["carbon_free_share"], day["cfe_share"]) == (0.5, 0.75)
    # one way: what /v1/emissions says of the same sources
    emissions = await client.get(
        "/v1/emissions",
        params={
            "facility": "matched",
            "source": "grid",
            "from": FIRST,
            "to": LAST,
            "interval": "1d",
        },
    )
    (grid,) = emissions.json()
    assert day["co2_location_kg"] == pytest.approx(grid["co2_kg"], abs=1e-6)
    assert day["co2_uncontracted_kg"] == pytest.approx(grid["co2_market_kg"], abs=1e-6)
    (year,) = await ask(client, facility="matched", interval="1y")
    assert (year["co2_market_kg"], year["state"]) == (day["co2_market_kg"], "provisional")
    assert {row["state"] for row in rows} == {"final"}


@pytest.mark.vector
async def test_a_year_matched_as_a_whole_shows_what_its_hours_say_beside_it(
    client: httpx.AsyncClient,
) -> None:
    (day,) = await ask(client, facility="yearly", interval="1d")
    assert (day["match"], day["matched_share"], day["hourly_share"]) == ("annual", 0.785714, 0.5)
    assert day["co2_market_kg"] == pytest.approx(8_125, abs=1e-6)
    # the hours of the year add up to it
    hours = await ask(client, facility="yearly", interval="1h")
    assert sum(row["co2_market_kg"] for row in hours) == pytest.approx(8_125, abs=1e-6)
    (first,) = await ask(client, facility="yearly", interval="1h", to="2026-11-23T07:00:00Z")
    assert first == hours[0]


async def test_certificates_of_months_count_once_they_are_retired_and_zones_by_the_rule(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    (day,) = await ask(client, facility="months", interval="1d")
    # 20 MWh of November; the gas of the neighbour supplies half of the load of each hour
    assert day["matched_kwh"] == pytest.approx(55_000)
    assert day["contracted_kwh"] == pytest.approx(55_000)
    assert (day["match_published"], day["match_draft"]) == (None, False)
    used = await ask(client, "/v1/electricity/contracts", facility="months", interval="1d")
    assert [(row["contract"], row["zone"]) for row in used] == [("far", "CZ"), ("park", "AT")]
    assert [row["used_kwh"] for row in used] == [pytest.approx(35_000), pytest.approx(20_000)]
    assert used[0]["co2_kg"] == pytest.approx(35_000 * 0.4)
    mean = sum(RESIDUAL) / 6
    assert day["co2_market_kg"] == pytest.approx(35_000 * 0.4 + 15_000 * mean)
    assert day["carbon_free_share"] == pytest.approx(20 / 70, abs=1e-6)
    clock.instant = instant("2026-11-25T12:00:00Z")
    (later,) = await ask(
        client, facility="months", interval="1d", **{"from": "2026-11-25", "to": "now"}
    )
    assert (later["match"], later["match_published"]) == ("ghgp-2025-draft", "2025-10-20")
    assert (later["match_draft"], later["load_kwh"], later["matched_share"]) == (True, None, None)
    assert (later["co2_market_kg"], later["coverage"]) == (None, 0)


async def test_a_share_of_the_load_has_its_time_and_its_certificates(
    client: httpx.AsyncClient,
) -> None:
    used = await ask(client, "/v1/electricity/contracts", facility="shared", interval="1d")
    # the first one ended; of the second 28 MWh are claimed, and 14 certified for the month
    assert {row["contract"]: row["used_kwh"] for row in used} == {
        "park": 0,
        "plant": 0,
        "certified": pytest.approx(14_000),
    }
    hours = await ask(client, facility="shared", interval="1h")
    assert [row["matched_share"] for row in hours] == [pytest.approx(0.2)] * 6


async def test_generation_supplies_its_own_hour_and_a_storage_carries_it_to_others(
    client: httpx.AsyncClient,
) -> None:
    used = await ask(client, "/v1/electricity/contracts", facility="shifted", interval="1h")
    pv = [row for row in used if row["contract"] == "pv"]
    # half of what was stored comes out; the last MWh was never put in
    assert [row["contracted_kwh"] for row in pv] == [0, 12_000, 8_000, 14_000, 11_000, 0]
    assert {(row["coverage"], row["technology"]) for row in pv} == {(1.0, "solar")}
    (day,) = await ask(client, facility="shifted", interval="1d")
    assert day["matched_kwh"] == 45_000
    assert day["co2_market_kg"] == pytest.approx(5_500 + 500 + 5_850 + 3_500)
    (pond,) = await ask(client, "/v1/electricity/storage", facility="shifted", interval="1d")
    assert (pond["charged_kwh"], pond["discharged_kwh"]) == (20_000, 11_000)
    assert (pond["attributed_kwh"], pond["stored_kwh"]) == (10_000, 0)
    assert (pond["discharged_location_kg"], pond["discharged_market_kg"]) == (None, 0)
    # sources of what is counted are no emissions
    emissions = await client.get(
        "/v1/emissions", params={"facility": "shifted", "from": FIRST, "to": LAST, "interval": "1d"}
    )
    assert {row["source"] for row in emissions.json()} == {"boiler", "grid"}


@pytest.mark.vector
async def test_a_battery_gives_back_the_mass_of_its_charging_with_its_losses(
    client: httpx.AsyncClient,
) -> None:
    path, asked = "/v1/electricity/storage", {"facility": "stored", "interval": "1d"}
    (charging,) = await ask(
        client, path, **asked, **{"from": "2026-11-16T06:00:00Z", "to": "2026-11-16T12:00:00Z"}
    )
    assert charging["charged_kwh"] == 5_000_000
    assert charging["charged_location_kg"] == pytest.approx(1_000_000, abs=1e-3)
    assert charging["stored_kwh"] == pytest.approx(4_250_000, abs=1e-6)
    # a week later, asked for by itself
    (day,) = await ask(client, path, **asked)
    assert day["attributed_kwh"] == pytest.approx(4_250_000, abs=1e-6)
    assert day["discharged_location_kg"] == pytest.approx(1_000_000, abs=1e-3)
    assert day["discharged_market_kg"] == pytest.approx(500_000, abs=1e-3)
    assert day["stored_kwh"] == pytest.approx(0, abs=1e-6)
    first, *_ = await ask(client, path, facility="stored", interval="1h")
    assert first["discharged_location_kg"] == pytest.approx(1_000_000 * 1_000 / 4_250, abs=1e-3)


async def test_an_answer_as_of_a_time_has_the_contracts_and_hours_of_then(
    client: httpx.AsyncClient,
) -> None:
    assert await ask(client, facility="matched", as_of="2026-11-23T10:00:00Z") == []
    (then,) = await ask(client, facility="matched", interval="1d", as_of="2026-11-23T10:31:00Z")
    assert (then["load_kwh"], then["matched_kwh"]) == (45_000, 30_000)


async def test_who_has_the_answer_is_told_that_nothing_changed(
    client: httpx.AsyncClient, sites: str, clock: FixedClock
) -> None:
    asked = {"facility": "matched", "from": FIRST, "to": LAST, "interval": "1d"}
    answer = await client.get("/v1/electricity", params=asked)
    known = {"If-None-Match": answer.headers["etag"]}
    clock.instant = NOW.replace(second=50)
    again = await client.get("/v1/electricity", params=asked, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    with psycopg.connect(sites, autocommit=True) as connection:
        connection.execute("UPDATE facility_progress SET sequence = sequence + 1")
    again = await client.get("/v1/electricity", params=asked, headers=known)
    assert (again.status_code, again.json()) == (200, answer.json())
    # of contracts with factors nobody can tell, nor of the past
    for more in ({"facility": "months"}, {"as_of": "2026-11-23T12:00:00Z"}):
        answer = await client.get("/v1/electricity", params={**asked, **more})
        assert "etag" not in answer.headers


async def test_it_comes_as_csv_and_arrow_and_nobody_else_has_rows(
    client: httpx.AsyncClient,
) -> None:
    everything = await ask(client, interval="1d")
    assert [row["facility"] for row in everything] == [
        "matched",
        "months",
        "shared",
        "shifted",
        "stored",
        "yearly",
    ]
    asked = {"from": FIRST, "to": LAST, "interval": "1d"}
    text = await client.get("/v1/electricity", params={**asked, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [row["matched_share"] for row in rows] == [
        "0.5",
        "0.785714",
        "0.2",
        "0.642857",
        "",
        "0.785714",
    ]
    flows = await ask(client, "/v1/electricity/storage", interval="1d")
    assert [(row["facility"], row["storage"]) for row in flows] == [
        ("shifted", "pond"),
        ("stored", "battery"),
    ]
    assert await ask(client, "/v1/electricity/storage", facility="matched") == []
    stream = await client.get("/v1/electricity", params={**asked, "format": "arrow"})
    table = na.ArrayStream.from_readable(stream.content).read_all()
    names = [field.name for field in table.schema.fields]
    assert names == list(everything[0])
    # matched by the hour, which is the finest
    for given, whole in (("15m", "1h"), ("90m", "2h"), ("90000ms", "1h")):
        assert await ask(client, interval=given) == await ask(client, interval=whole)
    many = await client.get("/v1/electricity", params={"from": "1990-01-01", "interval": "1h"})
    assert (many.status_code, "coarser" in many.text) == (422, True)


def test_a_certificate_counts_for_one_facility_alone(sites: str) -> None:
    twice = site("twin", "hourly", certificates(prefix="eecs00"))
    before = MATCHED.replace("Site", "Site again")

    def try_to(text: str, *, limited: bool = False) -> list[str]:
        bind = engine(sites, process="test")
        try:
            with bind.begin() as connection:
                return apply(connection, parse(text), limited=limited)
        finally:
            bind.dispose()

    with pytest.raises(ApplyError, match="certificate eecs001 is already used by facility matched"):
        try_to(twice)
    with pytest.raises(ApplyError, match="already used by another facility: a certificate counts"):
        try_to(twice, limited=True)
    assert try_to(before) == ["~ facility matched"]
    # whoever gives it up lets others have it
    assert "- certificate EECS 001" in try_to(MATCHED[: MATCHED.index("  certificates:")])
    assert {"+ contract park", "+ certificate eecs001"} <= set(try_to(twice))
    with pytest.raises(ApplyError, match="facility twin"):
        try_to(MATCHED)


async def test_live_totals_tell_what_is_matched_so_far(client: httpx.AsyncClient) -> None:
    async def live(facility: str, **parameters: str) -> Any:
        answer = await client.get("/v1/live", params={"facility": facility, **parameters})
        assert answer.status_code == 200, answer.text
        return answer.json()["electricity"]

    assert await live("plain") is None
    electricity = await live("matched")
    assert (electricity["as_of"], electricity["by_certificates"]) == (
        "2026-11-23T18:00:30Z",
        True,
    )
    totals = electricity["totals"]
    assert list(totals) == ["hour", "today", "month", "year"]
    today = totals["today"]
    (row,) = await ask(client, facility="matched", interval="1d", to="now")
    told = set(row) - {"time", "facility", "state"}
    assert {name: today[name] for name in told} == {name: row[name] for name in told}
    assert (today["begins"], today["hours"], today["final_hours"]) == (row["time"], 20, 6)
    # an hour of which no load is known has no share
    hour = totals["hour"]
    assert (hour["begins"], hour["hours"], hour["known_hours"]) == ("2026-11-23T18:00:00Z", 1, 0)
    assert (hour["load_kwh"], hour["matched_share"], hour["coverage"]) == (None, None, 0)
    # under a rule of a year its hours say something else
    year = (await live("yearly"))["totals"]["year"]
    assert (year["match"], year["matched_share"], year["hourly_share"]) == ("annual", 0.785714, 0.5)
    assert (year["unmatched_hours"], year["cfe_share"]) == (4, 0.892857)
    # six of the twenty hours of today, of one channel of three: what is not known supplies nothing
    shifted = (await live("shifted"))["totals"]["today"]
    assert shifted["supply_coverage"] == pytest.approx(6 / (19 + 1 / 60), abs=1e-6)
    assert today["supply_coverage"] is None
    then = await live("matched", as_of="2026-11-23T10:31:00Z")
    assert (then["totals"]["today"]["load_kwh"], then["as_of"]) == (45_000, "2026-11-23T10:31:00Z")
    assert await live("matched", as_of="2026-11-23T10:00:00Z") is None


async def test_what_is_matched_is_read_once_a_minute(
    client: httpx.AsyncClient, sites: str, clock: FixedClock
) -> None:
    async def today() -> Any:
        answer = await client.get("/v1/live", params={"facility": "matched"})
        return answer.json()["electricity"]["totals"]["today"]["load_kwh"]

    clock.instant = instant("2026-11-23T19:00:10Z")
    before = await today()
    with psycopg.connect(sites, autocommit=True) as connection:
        insert(connection, ["matched"], "grid", "2026-11-23T12:00:00Z", 7)
        try:
            connection.execute("UPDATE facility_progress SET sequence = sequence + 1")
            clock.instant = instant("2026-11-23T19:00:50Z")
            assert await today() == before
            clock.instant = instant("2026-11-23T19:01:00Z")
            assert await today() == before + 7
        finally:
            connection.execute("DELETE FROM emission_hour WHERE hour = '2026-11-23T12:00:00Z'")
