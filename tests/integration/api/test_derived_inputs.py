"""Derived channels as inputs of a stack, as what thresholds watch, and as readings."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.aggregator.audit import verify
from services.core.runtime.clock import FixedClock
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import instant
from tests.integration.field.bench import FieldBench

START = instant("2026-03-02T00:00:00Z")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

#: 12.5 % dry CO2 in 1 000 000 scf/h with 20 % moisture: 5.7 short tons an hour
VALID_KG = 5170.953018


def file(
    *, validity: str = "part75", substitution: str = "none", a: str = "", mean: str = ""
) -> str:
    return f"""
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: cems
    channels:
      - {{id: a, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 5m{a}}}
      - {{id: b, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 5m, every: 1m}}
      - {{id: h2o, quantity: fraction, unit: "%", kind: gauge, max_gap: 5m, every: 10s}}
      - {{id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 5m,
          every: 10s}}
      - id: dry
        quantity: fraction
        unit: "%"
        kind: derived
        basis: dry
        formula: {mean or "(a + b) / 2 / (1 - h2o)"}
      - {{id: load, quantity: energy, unit: kWh, kind: counter, max_rate: 100}}
      - {{id: twice, quantity: energy, unit: kWh, kind: derived, formula: 2 * load}}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-2
    inputs: {{co2: cems.dry, flow: cems.flow, h2o: cems.h2o}}
    validity: {validity}
    substitution: {substitution}
thresholds:
  - {{id: rich, channel: cems.dry, measure: value, above: 13, for: 2m, severity: warning}}
  - {{id: mean, channel: cems.dry, measure: average, window: 15m, above: 12.6, severity: warning}}
"""


def message(at: datetime, **values: float | None) -> tuple[str, str]:
    return "emissions/works/cems/readings", json.dumps({"ts": at.isoformat(), "values": values})


def hour_of(
    hour: int,
    a: Callable[[int], float | None] = lambda _: 9.0,
    b: Callable[[int], float | None] = lambda _: 11.0,
) -> list[tuple[str, str]]:
    """An hour: `a`, flow and moisture each 10 seconds, `b` each minute; by the second of it."""
    messages = []
    for second in range(0, 3600, 10):
        values: dict[str, float | None] = {"flow": 1e6, "h2o": 20.0, "a": a(second)}
        if second % 60 == 0:
            values["b"] = b(second)
        messages.append(message(START + hour * HOUR + second * SECOND, **values))
    return messages


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START + 6 * HOUR)


@pytest.fixture
def field(database_url: str) -> Iterator[FieldBench]:
    made = FieldBench(database_url)
    yield made
    made.close()


def close(field: FieldBench, messages: Iterable[tuple[str, str]], hours: float) -> None:
    """Take messages in, and close what is due so many hours and 20 minutes after the start."""
    field.deliver_and_close(messages, START + hours * HOUR + timedelta(minutes=20))


async def explained(client: httpx.AsyncClient, hour: int = 0) -> Any:
    at = (START + hour * HOUR).isoformat()
    answer = await client.get(
        "/v1/explain", params={"facility": "works", "source": "stack", "hour": at}
    )
    return answer.json()


async def co2(client: httpx.AsyncClient, hour: int = 0) -> dict[str, Any]:
    inputs = {each["role"]: each for each in (await explained(client, hour))["closing"]["inputs"]}
    return dict(inputs["co2"])


async def readings(client: httpx.AsyncClient, **more: Any) -> Any:
    answer = await client.get(
        "/v1/readings",
        params={
            "facility": "works",
            "from": START.isoformat(),
            "to": (START + 2 * HOUR).isoformat(),
            **more,
        },
    )
    return answer.json()


@pytest.mark.vector
async def test_the_mean_of_two_analysers_brought_to_dry_gas_by_a_formula(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # (9 + 11) / 2 = 10 % wet, 10 / (1 - 0.2) = 12.5 % dry; F-2: 5.7e-7 x 12.5 x 1e6 x 0.8
    field.apply(file())
    close(field, hour_of(0), 1)
    (hour,) = field.hours("stack")[:1]
    assert float(hour["co2_kg"]) == pytest.approx(VALID_KG)
    body = await explained(client)
    assert body["derived_inputs"]["co2"] == {
        "channel": "cems.dry",
        "quantity": "fraction",
        "unit": "%",
        "formula": "(cems.a + cems.b) / 2 / (1 - cems.h2o)",
    }
    assert {each["role"] for each in body["inputs"]} == {
        "flow", "h2o", "cems.a", "cems.b", "cems.h2o",
    }  # fmt: skip
    assert (await co2(client))["average"] == 12.5


@pytest.mark.vector
async def test_an_hour_is_valid_when_each_channel_gave_enough_of_its_own_readings(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # a at 10 s, b at 1 min, which is held for 5 minutes where a minute of it is lost
    verdicts = {}
    for validity, lacking in (("mrr", ((), range(13), range(12))), ("part75", (range(15, 30),))):
        field.apply(file(validity=validity, a=", every: 10s"))
        messages = [
            message
            for hour, minutes in enumerate(lacking)
            for message in hour_of(
                hour, b=lambda second, gone=set(minutes): None if second // 60 in gone else 11.0
            )
        ]
        # null is no reading
        sent = [(topic, payload.replace(', "b": null', "")) for topic, payload in messages]
        field.connection.execute("DELETE FROM reading")
        close(field, sent, len(lacking))
        for hour in range(len(lacking)):
            found = await co2(client, hour)
            verdicts[validity, hour] = found["valid"], found["verdict_reason"]
    assert [valid for valid, _ in verdicts.values()] == [True, False, True, False]
    # 47 of its 60 are 78 %, though with those of a the hour has 407 of 420
    assert verdicts["mrr", 1][1].startswith("cems.b: 47 of 60 possible data points, one every 60 s")
    assert verdicts["part75", 0][1] == "cems.b: no data point in quadrant 2"


def test_late_shuffled_and_changed_readings_restate_and_verify(field: FieldBench) -> None:
    field.apply(file())
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    messages = hour_of(0)
    random.Random(7).shuffle(messages)
    field.deliver(messages[:200], at=START + HOUR)
    field.settle(START + HOUR)
    close(field, messages[150:] + hour_of(1), 2)
    assert [float(h["co2_kg"]) for h in field.hours("stack")[:2]] == pytest.approx([VALID_KG] * 2)
    late = message(START + 33 * SECOND, b=80.0)
    field.deliver([late], at=START + 3 * HOUR)
    field.settle(START + 3 * HOUR)
    first = field.hours("stack")[0]
    assert first["reason"] == "late readings: cems.b"
    changes = field.apply(file(mean="a / (1 - h2o)"))
    assert "~ source stack" in changes
    field.settle(START + 3 * HOUR)
    # 9 % wet is 11.25 % dry, recorded as 11.3
    assert float(field.hours("stack")[1]["co2_kg"]) == pytest.approx(
        VALID_KG * 11.3 / 12.5, rel=0.02
    )
    number = int(START.timestamp()) // 3600
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (source,) = final_hours.sources(connection, None)
        found = verify.step(connection, plan, source, number, number + 1, datetime.now(UTC))
    assert (found.checked, found.differences) == (2, ())


async def test_going_over_the_scale_of_one_analyser_lowers_nothing(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    # nobody can tell what the mean of 40 % of code 20 and 11 % is: no data point, and never less
    # than what was read
    field.apply(file(a=", full_scale: 20", substitution="part75"))
    valid = hour_of(0)
    over = hour_of(1, a=lambda second: 24.0 if second >= 900 else 9.0)
    close(field, valid + over, 2)
    found = await co2(client, 1)
    assert not found["valid"]
    assert found["value"] >= found["least_known"] > 12.5
    assert (found["code"], found["value"]) == ("as-read", found["least_known"])


async def test_a_failed_audit_of_one_of_two_analysers_is_enough(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    audit = "audits: [{at: 2026-03-01T00:00:00Z, passed: false}]"
    field.apply(file(a=f", {audit}"))
    close(field, hour_of(0), 1)
    found = await co2(client)
    assert not found["valid"]
    assert "audit" in found["verdict_reason"]


async def test_thresholds_watch_what_is_derived(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    field.apply(file())
    field.connection.execute("UPDATE threshold SET in_force_from = %s", (START,))
    # 14 % for three minutes from 00:20 on: (11.4 + 11) / 2 / 0.8
    peak = hour_of(0, a=lambda second: 11.4 if 1200 <= second < 1380 else 9.0)
    close(field, peak, 1)
    alerts = (await client.get("/v1/alerts")).json()
    found = {each["threshold"]: each for each in alerts}
    assert found["rich"]["started_at"] == "2026-03-02T00:20:00Z"
    assert found["rich"]["value"] == pytest.approx(14.0)
    assert found["rich"]["unit"] == "%"
    # over 15 minutes the three weigh a fifth: 12.5 + 3 x 1.5 / 15
    assert found["mean"]["value"] == pytest.approx(12.6, abs=0.11)
    # over the API too, and an amount has no value to watch
    stated = {"channel": "cems.dry", "measure": "value", "below": 1, "severity": "info"}
    put = await client.put("/v1/thresholds/lean", json=stated)
    assert put.json() == {"changes": ["+ threshold lean"]}
    refused = await client.put("/v1/thresholds/none", json={**stated, "channel": "cems.twice"})
    assert refused.status_code == 422
    assert "cems.twice is an amount of each minute" in refused.text
    # a reading of one channel alone changes it
    field.deliver([message(START + 2 * HOUR, a=9, b=11, h2o=20)], at=START + 2 * HOUR)
    field.settle(START + 2 * HOUR)
    field.deliver([message(START + 2 * HOUR + 5 * SECOND, h2o=40)], at=START + 2 * HOUR)
    field.settle(START + 2 * HOUR + timedelta(minutes=4))
    again = field.rows(
        "SELECT t.since FROM alert_transition t JOIN threshold h ON h.id = t.threshold_id"
        " WHERE h.slug = 'rich' AND t.state = 'firing' ORDER BY 1"
    )
    assert len(again) == 2


async def test_readings_of_derived_channels_are_computed_and_marked(
    field: FieldBench, client: httpx.AsyncClient
) -> None:
    field.apply(file())
    messages = hour_of(0, a=lambda second: None if second == 40 else 9.0)
    messages += [message(START + k * 60 * SECOND, load=100 + k / 2) for k in range(5)]
    field.deliver(messages, at=START + HOUR)
    rows = await readings(client, channel="dry", to="2026-03-02T00:01:00Z")
    assert [(r["time"], r["value"], r["derived"], r["unit"]) for r in rows[:2]] == [
        ("2026-03-02T00:00:00Z", pytest.approx(12.5), True, "%"),
        ("2026-03-02T00:00:10Z", pytest.approx(12.5), True, "%"),
    ]
    assert [r["value"] for r in rows].count(None) == 1
    assert rows[4]["value"] is None
    # of registers, the amount of each minute
    rows = await readings(client, channel="twice", to="2026-03-02T00:10:00Z")
    assert [(r["time"], r["value"]) for r in rows] == [
        *((f"2026-03-02T00:0{k}:00Z", pytest.approx(1.0)) for k in range(4)),
        ("2026-03-02T00:04:00Z", None),
    ]
    # thinned as readings are: each peak stays
    rows = await readings(client, channel=["dry", "a"], max_points=10)
    assert len([r for r in rows if r["channel"] == "dry"]) <= 10
    assert {r["derived"] for r in rows} == {True, False}
    measured = await readings(client, device="cems", channel="a", to="2026-03-02T00:01:00Z")
    assert {r["derived"] for r in measured} == {False}
    missing = await client.get("/v1/readings", params={"facility": "works", "channel": "none"})
    assert missing.status_code == 404
