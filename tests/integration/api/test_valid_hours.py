"""Hours of a stack by the times of its readings, from messages to answers."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from services.core.store.alerts.values.read import values
from services.core.store.database.connect import connect
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import to_minute
from tests.integration.aggregator.plant import instant
from tests.integration.field.bench import FieldBench

# 10 % CO2 at 1 000 000 scf/h: 5.7 short tons in a valid hour
VALID_KG = 5170.953018

START = instant("2026-03-02T00:00:00Z")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def file(
    validity: str = "part75", substitution: str = "none", channel: str = "", co2: str = ""
) -> str:
    return f"""
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: cems
    channels:
      - {{id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet{channel}{co2}}}
      - {{id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet{channel}}}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {{co2: cems.co2, flow: cems.flow}}
    validity: {validity}
    substitution: {substitution}
"""


def message(hour: int, second: float, quality: str = "good", co2: float = 10.0) -> tuple[str, str]:
    at = START + hour * HOUR + second * SECOND
    values = {
        "co2": {"v": co2, "q": quality},
        "flow": {"v": 1_000_000, "q": quality},
    }
    return "emissions/works/cems/readings", json.dumps({"ts": at.isoformat(), "values": values})


@pytest.fixture
def field(database_url: str) -> Iterator[FieldBench]:
    made = FieldBench(database_url)
    yield made
    made.close()


def close(field: FieldBench, messages: Iterable[tuple[str, str]], hours: float) -> None:
    """Take messages in, and close what is due so many hours and 20 minutes after the start."""
    field.deliver_and_close(messages, START + hours * HOUR + timedelta(minutes=20))


async def emissions(client: httpx.AsyncClient, interval: str = "1h", hours: int = 1) -> Any:
    answer = await client.get(
        "/v1/emissions",
        params={
            "facility": "works",
            "from": START.isoformat(),
            "to": (START + hours * HOUR).isoformat(),
            "interval": interval,
        },
    )
    return answer.json()


async def inputs(client: httpx.AsyncClient, hour: int = 0) -> dict[str, Any]:
    answer = await client.get(
        "/v1/explain",
        params={
            "facility": "works",
            "source": "stack",
            "hour": (START + hour * HOUR).isoformat(),
        },
    )
    return {each["role"]: each for each in answer.json()["closing"]["inputs"]}


@pytest.mark.vector
async def test_two_readings_an_hour_are_no_valid_hour_whatever_they_are_held_for(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # C1, with the default max_gap and with one that covers all of the hour
    for channel in ("", ", max_gap: 1h"):
        field.apply(file(channel=channel))
        close(field, [message(0, 14 * 60), message(0, 44 * 60)], 1)
        found = await inputs(client)
        assert [found[role]["valid"] for role in ("co2", "flow")] == [False, False]
        assert found["co2"]["verdict_reason"] == "no data point in quadrant 2, 4"


@pytest.mark.vector
async def test_five_hours_of_two_readings_are_substituted_where_a_rule_does(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # the hour before is valid: C1 takes its place
    field.apply(file(substitution="part75"))
    valid = [message(0, 60 * minute) for minute in range(60)]
    close(field, [*valid, message(1, 14 * 60, co2=3), message(1, 44 * 60, co2=3)], 2)
    first, second = await emissions(client, hours=2)
    assert (first["co2_kg"], first["quality"]) == (pytest.approx(VALID_KG), "measured")
    assert (second["co2_kg"], second["quality"]) == (pytest.approx(VALID_KG), "substituted")


@pytest.mark.vector
async def test_four_readings_within_a_minute_are_no_valid_hour(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # C4
    field.apply(file())
    close(field, [message(0, second) for second in (10, 20, 30, 40)], 1)
    assert not (await inputs(client))["co2"]["valid"]


@pytest.mark.parametrize(
    ("quality", "verdict"),
    [
        ("bad", "no data point in quadrant 4"),
        ("uncertain", "a data point in each of the 4 quadrants of operation"),
        # maintenance is no data and excuses the quadrants that lack it
        ("maintenance", "two data points at least 15 minutes apart in an hour of calibration,"),
    ],
)
async def test_a_reading_of_what_quality_is_a_data_point(
    field: FieldBench, client: httpx.AsyncClient, quality: str, verdict: str
) -> None:
    field.apply(file())
    readings = [message(0, 60 * minute) for minute in (0, 15, 30)]
    close(field, [*readings, message(0, 60 * 50, quality)], 1)
    assert (await inputs(client))["co2"]["verdict_reason"].startswith(verdict)


@pytest.mark.vector
@pytest.mark.parametrize("stated", [True, False])
async def test_readings_of_which_a_third_is_bad_are_two_thirds_of_the_possible(
    field: FieldBench, client: httpx.AsyncClient, *, stated: bool
) -> None:
    # C5
    field.apply(file("mrr", channel=", every: 10s" if stated else ""))
    close(field, [message(0, 10 * n, "good" if n % 6 < 4 else "bad") for n in range(360)], 1)
    found = (await inputs(client))["co2"]
    learned = "" if stated else " as learned from the readings"
    assert (found["valid"], found["verdict"]) == (False, "below-80-percent")
    assert found["verdict_reason"] == f"240 of 360 possible data points, one every 10 s{learned}"


@pytest.mark.vector
async def test_one_minute_readings_to_the_45th_minute_are_46_of_60(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # C7
    field.apply(file("mrr"))
    close(field, [message(0, 60 * minute) for minute in range(46)], 1)
    found = (await inputs(client))["co2"]
    assert not found["valid"]
    assert found["verdict_reason"].startswith("46 of 60 possible data points, one every 60 s")


async def test_an_invalid_hour_without_a_substitute_has_no_value_and_no_sum_holds_it(
    field: FieldBench, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = START + 3 * HOUR + timedelta(minutes=30)
    covers = "thresholds: [{id: t, source: stack, measure: coverage, window: today, below: 0.5}]"
    field.apply(file(channel=", max_gap: 1h") + covers)
    # all of the second hour is covered by two values
    readings = [
        *(message(0, 60 * minute) for minute in range(60)),
        *(message(1, 60 * minute) for minute in (14, 44)),
        *(message(2, 60 * minute) for minute in range(60)),
    ]
    close(field, readings, 3)
    hours = await emissions(client, hours=3)
    assert [row["co2_kg"] for row in hours] == [
        pytest.approx(VALID_KG), None, pytest.approx(VALID_KG),
    ]  # fmt: skip
    assert [row["co2e_kg"] for row in hours][1] is None
    invalid = hours[1]
    assert (invalid["quality"], invalid["coverage"], invalid["state"]) == ("partial", 0.0, "final")
    assert (invalid["share_measured"], invalid["share_missing"]) == (0.0, 1.0)
    reason = "an hour was found invalid by the source's rule and not filled"
    assert [(row["reason"] or "").split(":")[0] for row in hours] == ["", reason, ""]
    # its minutes have none, so that no sum of any length holds a part of it
    minutes = await emissions(client, "1m", hours=3)
    assert all(row["co2_kg"] is None and row["coverage"] == 0 for row in minutes[60:120])
    assert [row["reason"] is None for row in minutes] == [True] * 60 + [False] * 60 + [True] * 60
    assert sum(row["co2_kg"] or 0 for row in minutes) == pytest.approx(2 * VALID_KG)
    (three,) = await emissions(client, "3h", hours=3)
    assert (three["co2_kg"], three["quality"]) == (pytest.approx(2 * VALID_KG), "partial")
    assert three["reason"].startswith(reason)
    assert (three["coverage"], three["share_missing"]) == (
        pytest.approx(2 / 3, abs=1e-6), pytest.approx(1 / 3, abs=1e-6),
    )  # fmt: skip
    # and a threshold watches what the answer says
    minute = to_minute(START + 3 * HOUR) + 1
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        watched = values(connection, plan.id, plan.watch, [0], minute, minute)
    assert watched.value.tolist() == [[pytest.approx(three["coverage"], abs=1e-6)]]
    live = (await client.get("/v1/live", params={"facility": "works"})).json()
    assert live["totals"]["today"]["co2_kg"] > 2 * VALID_KG
    assert live["totals"]["today"]["coverage"] < 0.8
    as_of = (START + 3 * HOUR + timedelta(minutes=29)).isoformat()
    then = await client.get("/v1/live", params={"facility": "works", "as_of": as_of})
    assert then.status_code == 200
    # the ledger is dated by the real time
    clock.instant = datetime.now(UTC) + HOUR
    explained = await client.get(
        "/v1/explain",
        params={"facility": "works", "source": "stack", "hour": (START + HOUR).isoformat()},
    )
    assert explained.json()["total"]["co2_kg"] is None
    assert explained.json()["closing"]["inputs"][0]["coverage"] == 1.0
    table = await client.get(
        "/v1/emissions",
        params={"facility": "works", "from": START.isoformat(), "to": "2026-03-02T03:00:00Z",
                "interval": "1h"},
        headers={"Accept": "text/csv"},
    )  # fmt: skip
    assert [row["co2_kg"] == "" for row in csv.DictReader(io.StringIO(table.text))] == [
        False, True, False,
    ]  # fmt: skip
    # the missing readings come after all
    close(field, [message(1, 60 * minute) for minute in range(60)], 3.1)
    assert (await emissions(client, hours=3))[1]["co2_kg"] == pytest.approx(VALID_KG)
    restated = (await client.get("/v1/restatements", params={"facility": "works"})).json()
    assert (restated[0]["old_co2_kg"], restated[0]["new_co2_kg"]) == (
        None, pytest.approx(VALID_KG),
    )  # fmt: skip


async def test_live_says_substituted_beside_a_total_that_a_rule_filled_in(
    field: FieldBench, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = START + 2 * HOUR + timedelta(minutes=21)
    field.apply(file(substitution="part75"))
    valid = [message(0, 60 * minute) for minute in range(60)]
    close(field, [*valid, message(1, 14 * 60), message(1, 44 * 60)], 2)
    live = (await client.get("/v1/live", params={"facility": "works"})).json()
    for totals in (live["totals"], live["sources"][0]["totals"]):
        assert totals["today"]["co2_kg"] == pytest.approx(2 * VALID_KG)
        assert totals["today"]["quality"] == "substituted"
        assert totals["today"]["shares"]["substituted"] == pytest.approx(60 / 142)
        assert totals["1h"]["quality"] == "substituted"


async def test_each_input_is_judged_by_its_own_readings(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    field.apply(file("mrr", co2=", every: 30s"))
    close(field, [message(0, 60 * minute) for minute in range(60)], 1)
    found = await inputs(client)
    assert (found["co2"]["valid"], found["flow"]["valid"]) == (False, True)
    assert found["co2"]["verdict_reason"] == "60 of 120 possible data points, one every 30 s"


async def test_applying_a_file_says_which_interval_the_readings_tell(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    async def warnings(text: str) -> list[str]:
        answer = await client.put("/v1/facilities/works?dry_run=true", content=text)
        return [each for each in answer.json()["warnings"] if "every" in each]

    field.apply(file("mrr"))
    why = "validity mrr counts data points and the channel states no `every`; "
    untold = "it is learned when readings come; state it, such as every: 10s"
    assert await warnings(file("mrr")) == [
        f"cems.{channel}: {why}{untold}" for channel in ("co2", "flow")
    ]
    close(field, [message(0, 10 * n) for n in range(360)], 1)
    told = "its readings come every 10s: state every: 10s if that is meant"
    assert await warnings(file("mrr", co2=", every: 10s")) == [f"cems.flow: {why}{told}"]
    assert await warnings(file("part75")) == []


async def test_readings_that_are_not_sent_do_not_pass_for_a_slower_monitor(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    field.apply(file("mrr"))
    steady = [message(0, 10 * n) for n in range(360)]
    close(field, [*steady, *(message(1, 60 * n) for n in range(60))], 2)
    assert (await inputs(client, 0))["co2"]["valid"]
    found = (await inputs(client, 1))["co2"]
    assert found["verdict_reason"].startswith("60 of 360 possible data points, one every 10 s")


@pytest.mark.parametrize("seed", range(3))
async def test_late_duplicate_and_shuffled_readings_learn_the_same_interval(
    field: FieldBench, client: httpx.AsyncClient, seed: int
) -> None:
    rng = random.Random(seed)
    hours = 8
    by_hour = [
        [
            message(hour, second)
            for second in range(0, 3600, 10 if hour < 3 else 60)
            if rng.random() > 0.1
        ]
        # a burst
        + [message(hour, 1234 + n / 50) for n in range(100 * (hour == 1))]
        for hour in range(hours)
    ]

    async def verdicts() -> list[tuple[Any, ...]]:
        found = [await inputs(client, hour) for hour in range(hours)]
        return [
            (each[role]["valid"], each[role]["verdict_reason"], each[role]["average"])
            for each in found
            for role in ("co2", "flow")
        ]

    field.apply(file("mrr"))
    late = {hour: rng.sample(of_hour, len(of_hour) // 2) for hour, of_hour in enumerate(by_hour)}
    late[0] = by_hour[0]
    for hour, of_hour in enumerate(by_hour):
        close(field, [each for each in of_hour if each not in late[hour]], hour + 1)
    scattered = [each for of_hour in late.values() for each in of_hour]
    scattered += rng.sample(scattered, len(scattered) // 3)
    rng.shuffle(scattered)
    close(field, scattered, hours + 0.1)
    in_disorder = await verdicts()
    field.rows("WITH c AS (DELETE FROM source_hour_input RETURNING 1) SELECT count(*) FROM c")
    close(field, [], hours + 0.2)
    assert await verdicts() == in_disorder
    # the minutely hours are first judged by the interval of the hours before them
    assert "one every 10 s" in in_disorder[2 * 3][1]
