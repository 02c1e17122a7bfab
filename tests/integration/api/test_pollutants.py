"""Pollutants and their limits over HTTP, from readings to the verdict of a year."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.core.facility.file import FacilityFileError, parse
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: concentration, unit: g/Nm3, kind: gauge, basis: dry, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: Nm3/h, kind: gauge, basis: dry, max_gap: 120}
      - {id: o2, quantity: fraction, unit: "%", kind: gauge, basis: dry, max_gap: 120}
      - {id: nox, quantity: fraction, unit: ppm, kind: gauge, basis: dry, max_gap: 120}
      - {id: so2, quantity: concentration, unit: mg/Nm3, kind: gauge, basis: dry, max_gap: 120}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: concentration-flow
    inputs: {co2: cems.co2, flow: cems.flow}
    pollutants:
      - id: nox
        concentration: cems.nox
        oxygen: cems.o2
        reference_oxygen: 3
        confidence_interval: 20
        limits:
          - {id: permit, rule: stated, value: 100, conditions: [{means: day}], valid_to: 2026-10-01}
          - {id: nox-lrv, rule: lrv, value: 200}
      - {id: so2, concentration: cems.so2, averaging: 30min}
"""
MINUTE = timedelta(minutes=1)
START = instant("2026-10-05T04:00:00Z")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


def readings(begins: datetime, **values: float) -> list[Reading]:
    given = {"co2": 200.0, "flow": 100_000.0, "o2": 6.0, "nox": 100.0, "so2": 40.0, **values}
    return [
        Reading(f"cems.{channel}", begins + minute * MINUTE, value)
        for minute in range(60)
        for channel, value in given.items()
    ]


def close(plant: Plant, now: datetime) -> None:
    plant.tick(now)
    plant.connection.execute("UPDATE pollutant_mean SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + MINUTE)


def run(plant: Plant) -> None:
    """Two hours, the second of twice the NOx."""
    plant.store([*readings(START), *readings(START + 60 * MINUTE, nox=200.0)])
    close(plant, START + timedelta(hours=2, minutes=20))


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


SPAN = {"from": "2026-10-05T04:00:00Z", "to": "2026-10-05T06:00:00Z"}


async def test_a_mean_comes_with_all_it_was_formed_from(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    run(plant)
    rows = await get(client, "/v1/pollutants", pollutant="nox", **SPAN)
    assert [row["time"] for row in rows] == ["2026-10-05T04:00:00Z", "2026-10-05T05:00:00Z"]
    first, second = rows
    assert {key: first[key] for key in ("concentration", "concentration_unit", "factor")} == {
        "concentration": 100.0,
        "concentration_unit": "ppm",
        "factor": 1.2,
    }
    assert first["oxygen_percent"] == 6.0
    assert first["mean_mg_m3"] == pytest.approx(first["dry_mg_m3"] * first["factor"], abs=1e-6)
    # what is left of the limits is of 200 mg/Nm3: 20 % are 40
    assert first["validated_mg_m3"] == pytest.approx(first["mean_mg_m3"] - 40, abs=1e-6)
    assert first["kg"] == pytest.approx(first["dry_mg_m3"] * first["flow_nm3_h"] / 1e6, rel=1e-6)
    assert second["kg"] == pytest.approx(2 * first["kg"], rel=1e-6)
    assert (first["coverage"], first["operating_h"], first["verdict"]) == (1.0, 1.0, "two-thirds")
    halves = await get(client, "/v1/pollutants", pollutant="so2", **SPAN)
    assert [row["ends"][11:16] for row in halves] == ["04:30", "05:00", "05:30", "06:00"]
    assert [row["validated_mg_m3"] for row in halves] == [None] * 4


async def test_longer_intervals_have_the_mean_of_means_and_the_sum_of_masses(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    run(plant)
    hours = await get(client, "/v1/pollutants", pollutant="nox", **SPAN)
    day, so2 = await get(client, "/v1/pollutants", interval="1d", **SPAN)
    assert (day["time"], day["ends"]) == ("2026-10-04T22:00:00Z", "2026-10-05T22:00:00Z")
    assert day["mean_mg_m3"] == pytest.approx(sum(row["mean_mg_m3"] for row in hours) / 2)
    assert day["kg"] == pytest.approx(sum(row["kg"] for row in hours))
    assert (day["intervals"], day["intervals_valid"], day["reason"]) == (2, 2, None)
    assert (so2["mean_mg_m3"], so2["intervals"], so2["kg"]) == (40.0, 4, 8.0)
    too_fine = await client.get("/v1/pollutants", params={"interval": "30m", **SPAN})
    assert too_fine.status_code == 422
    assert "nox of stack is averaged over 60 minutes" in too_fine.text


async def test_pages_csv_and_what_does_not_exist(plant: Plant, client: httpx.AsyncClient) -> None:
    run(plant)
    all_rows = await get(client, "/v1/pollutants", **SPAN)
    answer = await client.get("/v1/pollutants", params={"limit": 4, **SPAN})
    paged = answer.json()
    while "next" in answer.links:
        answer = await client.get(answer.links["next"]["url"])
        paged += answer.json()
    assert len(all_rows) == 6
    assert paged == all_rows
    text = await client.get("/v1/pollutants", params=SPAN, headers={"Accept": "text/csv"})
    lines = list(csv.DictReader(io.StringIO(text.text)))
    assert [line["pollutant"] for line in lines] == [row["pollutant"] for row in all_rows]
    for path in ("/v1/pollutants", "/v1/limits"):
        assert (await client.get(path, params={"source": "chimney"})).status_code == 404
        unknown = await client.get(path, params={"pollutant": "co"})
        assert (unknown.status_code, unknown.json()["detail"]) == (
            404,
            "There is no pollutant co in the facility file: there are nox, so2.",
        )
    # one that the file gave another name to still has its means
    plant.connection.execute("UPDATE pollutant_mean SET pollutant = 'no2' WHERE pollutant = 'nox'")
    assert len(await get(client, "/v1/pollutants", pollutant="no2", **SPAN))


async def test_what_was_known_before_a_late_reading_can_be_asked_for(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    plant.store(readings(START)[: 5 * 30])
    close(plant, START + timedelta(hours=2, minutes=20))
    row = plant.connection.execute("SELECT now()").fetchone()
    assert row is not None
    known_at = row[0]
    plant.store(readings(START)[5 * 30 :])
    plant.tick(START + timedelta(hours=2, minutes=40))
    now, *_ = await get(client, "/v1/pollutants", pollutant="nox", **SPAN)
    then, *_ = await get(
        client, "/v1/pollutants", pollutant="nox", as_of=known_at.isoformat(), **SPAN
    )
    assert (then["version"], then["verdict"], then["mean_mg_m3"]) == (1, "below-two-thirds", None)
    assert (now["version"], now["verdict"]) == (2, "two-thirds")
    assert now["cause"].startswith("late readings")


def insert_year(plant: Plant, hours: int, high: dict[int, float]) -> None:
    """Means of as many hours of this year, 100 mg/Nm3 but for those that are high."""
    plant.connection.execute(
        """
        INSERT INTO pollutant_mean
            (source_id, pollutant, starts, minutes, valid, verdict, reason, covered_ms,
             operating_ms, inputs, unit, mean_mg_m3, mass_reason, version, why, final)
        SELECT s.id, 'nox', timestamptz '2025-12-31 23:00Z' + make_interval(hours => n), 60, true,
               'two-thirds', '', 3600000, 3600000, '{}', 'ppm',
               coalesce((%s::jsonb ->> n::text)::float8, 100), '', 1, 'closed', true
        FROM source s, generate_series(0, %s - 1) AS n
        """,
        (json.dumps(high), hours),
    )


@pytest.mark.vector
async def test_a_limit_of_a_share_of_the_hours(plant: Plant, client: httpx.AsyncClient) -> None:
    # less 40 for the confidence interval 240 is what may be in 3 % of the hours
    insert_year(plant, 1000, {10: 280.0, 20: 280.000001, 30: 281.0, 900: 440.0})
    _, day, share, twice = await get(client, "/v1/limits", year=2026)
    assert [row["means"] for row in (day, share, twice)] == ["day", "1h", "1h"]
    assert (share["at_most_mg_m3"], share["percent"], share["deduction_mg_m3"]) == (240, 97, 40)
    assert (share["count"], share["exceeded"], share["allowed"]) == (1000, 3, 30)
    assert share["allowed_at_end"] == 262
    assert share["exceeded_at"].split() == [
        "2026-02-07T11:00:00Z",
        "2026-01-02T05:00:00Z",
        "2026-01-01T19:00:00Z",
    ]
    # 440 less 40 is twice the limit, and not above it
    assert (twice["exceeded"], twice["highest_mg_m3"], twice["verdict"]) == (0, 400, "kept")
    assert (day["count"], day["verdict"], day["limit_verdict"]) == (41, "kept", "kept")
    assert day["until"] == "2026-02-11T15:00:00Z"


async def test_the_days_when_clocks_change_have_23_and_25_hours(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    insert_year(plant, 8760, {n: float(n % 300) for n in range(8760)})
    hour = timedelta(hours=1)
    january = instant("2025-12-31T23:00:00Z")
    for first, end in (
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ):
        (day,) = await get(
            client, "/v1/pollutants", interval="1d", **{"from": first, "to": end}, pollutant="nox"
        )
        numbers = range((instant(first) - january) // hour, (instant(end) - january) // hour)
        assert (day["time"], day["ends"]) == (first, end)
        assert day["intervals"] == len(numbers)
        mean = sum(n % 300 for n in numbers) / len(numbers)
        assert day["mean_mg_m3"] == pytest.approx(mean, abs=1e-6)
    year = {"from": "2025-12-31T23:00:00Z", "to": "2026-11-01T00:00:00Z"}
    hours = await get(client, "/v1/pollutants", interval="1h", limit=8760, **year)
    assert [row["mean_mg_m3"] for row in hours] == [n % 300 for n in range(len(hours))]
    assert len(hours) == (instant(year["to"]) - january) // hour


async def test_what_a_year_lacks_when_it_is_over_cannot_mend_it(
    plant: Plant, client: httpx.AsyncClient
) -> None:
    # one of 33 hours is more than 3 %
    insert_year(plant, 33, {7: 300.0})
    _, _, share, _ = await get(client, "/v1/limits", year=2026)
    assert (share["exceeded"], share["allowed"], share["verdict"]) == (1, 0, "at-risk")
    plant.connection.execute("UPDATE pollutant_mean SET starts = starts - interval '365 days'")
    _, _, share, _ = await get(client, "/v1/limits", year=2025)
    assert (share["allowed_at_end"], share["verdict"]) == (0, "broken")


async def test_an_operator_is_told_before_the_hours_are_used_up(
    plant: Plant, client: httpx.AsyncClient, database_url: str
) -> None:
    threshold = (
        "thresholds:\n"
        "  - {id: hours, source: stack, pollutant: nox, measure: allowance, above: 0.9}\n"
    )
    lrv_alone = "".join(line for line in FILE.splitlines(True) if "permit" not in line)
    apply_text(database_url, lrv_alone + threshold)
    plant.connection.execute("UPDATE threshold SET in_force_from = %s", (START,))
    # 235 of the 262 hours that may exceed it, every other one: days keep their limit
    insert_year(plant, 277 * 24 + 5, dict.fromkeys(range(0, 470, 2), 281.0))
    plant.store(readings(START))
    close(plant, START + timedelta(minutes=80))
    assert await get(client, "/v1/alerts") == []
    plant.store(readings(START + 60 * MINUTE, nox=150.0))
    close(plant, START + timedelta(minutes=140))
    (alert,) = await get(client, "/v1/alerts")
    assert (alert["state"], alert["pollutant"], alert["unit"]) == ("firing", "nox", "ratio")
    # the hour that ended at six is the 236th
    assert alert["fired_at"] == "2026-10-05T06:00:00Z"
    assert alert["value"] == pytest.approx(236 / 262)
    # a correction takes it back
    plant.connection.execute("UPDATE reading SET value = 100 WHERE value = 150")
    minutes = [int((START + timedelta(minutes=60 + k)).timestamp()) // 60 for k in range(60)]
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes, seconds, live)"
        " VALUES (%s, %s, %s, %s, true)",
        (plant.facility_id, [plant.channels["cems.nox"]] * 60, minutes, [0] * 60),
    )
    plant.tick(START + timedelta(minutes=160))
    (alert,) = await get(client, "/v1/alerts")
    assert alert["undone_at"] is not None
    (row,) = await get(client, "/v1/thresholds")
    assert (row["pollutant"], row["state"], row["unit"]) == ("nox", "inactive", "ratio")


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("source: stack, measure: allowance", "needs pollutant"),
        ("source: stack, measure: total, window: 1h, pollutant: nox", "needs pollutant"),
        ("pollutant: nox, measure: allowance", "measure allowance needs source"),
        ("source: stack, pollutant: co, measure: allowance", "no pollutant of source 'stack'"),
        ("source: stack, pollutant: so2, measure: allowance", "has no limits to watch"),
    ],
)
def test_what_cannot_be_watched_is_refused(stated: str, says: str) -> None:
    with pytest.raises(FacilityFileError, match=says):
        parse(f"{FILE}thresholds:\n  - {{id: t, {stated}, above: 0.8}}\n")


async def test_a_limit_that_ended_counts_as_far_as_it_held(
    plant: Plant, client: httpx.AsyncClient, database_url: str
) -> None:
    run(plant)
    insert_year(plant, 24, {})
    permit, *_ = await get(client, "/v1/limits", year=2026)
    assert (permit["limit"], permit["ends"]) == ("permit", "2026-09-30T22:00:00Z")
    assert (permit["count"], permit["exceeded"], permit["verdict"]) == (1, 0, "kept")
    assert await get(client, "/v1/limits", year=2025) != []
    apply_text(database_url, FILE.replace("valid_to: 2026-10-01", "valid_to: 2026-01-01"))
    assert {row["limit"] for row in await get(client, "/v1/limits", year=2026)} == {"nox-lrv"}
