"""Meters as they are read in the field: what jitter, hourly readings and estimates come to."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench

_FILE = """
facility: {{id: {facility}, name: Works, timezone: Europe/Vienna}}
devices:
  - id: meter-{facility}
    channels: [{{id: e, {channel}}}]
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources:
  - {{id: grid, scope: 2, method: activity, input: meter-{facility}.e, factor: f, lateness: 2h}}
"""
_REGISTER = "quantity: energy, unit: kWh, kind: counter, max_rate: 40"
_QUARTERS = "quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end"
_POWER = "quantity: power, unit: kW, kind: gauge, max_gap: 15m"
_START = datetime(2026, 3, 1, tzinfo=UTC)


def file_of(channel: str, facility: str = "works") -> str:
    return _FILE.format(channel=channel, facility=facility)


def message(
    at: datetime, value: float, quality: str = "good", facility: str = "works"
) -> tuple[str, str]:
    payload = {"ts": at.isoformat(), "values": {"e": {"v": value, "q": quality}}}
    return f"emissions/{facility}/meter-{facility}/readings", json.dumps(payload)


def minutes_of(field: FieldBench, facility: str) -> list[dict[str, object]]:
    return field.rows(
        "SELECT minute, co2_ug, activity_n, covered_ms, estimated_ms FROM emission_minute m"
        " JOIN source s ON s.id = m.source_id JOIN facility f ON f.id = s.facility_id"
        " WHERE f.slug = %s ORDER BY minute",
        facility,
    )


@pytest.mark.incident
def test_a_register_now_rounded_now_exact_counts_last_minus_first(field: FieldBench) -> None:
    # https://github.com/home-assistant/core/issues/76973
    field.apply(file_of(_REGISTER))
    at = [_START + timedelta(minutes=k) for k in range(241)]
    index = [round(3630 + k / 100, 1 if k % 6 == 5 else 2) for k in range(241)]
    field.deliver([message(t, v) for t, v in zip(at, index, strict=True)], at=at[-1])
    field.settle(at[-1])
    assert field.total("grid") == (pytest.approx(2.40), pytest.approx(1.20))

    # piece by piece, and late and shuffled, it comes to the same minutes
    field.apply(file_of(_REGISTER, "live"))
    messages = [message(t, v, facility="live") for t, v in zip(at, index, strict=True)]
    late = messages[40:60]
    random.Random(7).shuffle(late)
    arriving = messages[:40] + messages[60:] + late
    while arriving:
        field.deliver(arriving[:13], at=at[-1])
        field.settle(at[-1])
        arriving = arriving[13:]
    assert minutes_of(field, "live") == minutes_of(field, "works")


@pytest.mark.incident
def test_an_hourly_register_is_measured_though_it_comes_seconds_late(field: FieldBench) -> None:
    # https://github.com/home-assistant/frontend/issues/13151: at 05:00 it repeats 04:00's value
    field.apply(file_of(_REGISTER))
    seconds = (10, 3612, 7210, 10813, 14412, 18011, 21612, 25210, 28813)
    index = (100, 104, 108, 112, 116, 116, 124, 128, 132)
    field.deliver(
        [message(_START + timedelta(seconds=s), v) for s, v in zip(seconds, index, strict=True)],
        at=_START + 9 * HOUR,
    )
    field.settle(_START + 12 * HOUR)
    hours = field.hours("grid")[1:8]
    assert [hour["quality"] for hour in hours] == ["measured"] * 7
    assert [float(hour["activity"]) for hour in hours] == pytest.approx(
        [4, 4, 4, 0, 8, 4, 4], abs=0.03
    )


def test_an_hour_is_what_its_greater_part_is(field: FieldBench) -> None:
    field.apply(file_of(_REGISTER + ", estimated_after: 10m"))
    minutes = (*range(36), *range(60, 91), 120)
    field.deliver(
        [message(_START + timedelta(minutes=m), 100 + m / 60) for m in minutes],
        at=_START + 3 * HOUR,
    )
    field.settle(_START + 3 * HOUR)
    (row,) = field.rows(
        "SELECT array_agg(estimated_ms ORDER BY hour) AS estimated,"
        " array_agg(quality ORDER BY hour) AS quality FROM emission_hour"
    )
    assert row["estimated"] == [25 * 60_000, 30 * 60_000]
    assert row["quality"] == ["measured", "measured"]
    field.connection.execute("DELETE FROM reading WHERE ts = %s", (_START + 35 * HOUR / 60,))
    field.apply(file_of(_REGISTER + ", estimated_after: 30s"))
    field.settle(_START + 3 * HOUR)
    assert [hour["quality"] for hour in field.hours("grid")] == ["estimated"] * 2


def _quarters(value: Callable[[int], str]) -> list[tuple[str, str]]:
    return [message(_START + k * HOUR / 4, 0.1, value(k)) for k in range(1, 9)]


@pytest.mark.incident
@pytest.mark.parametrize("stamp", ["start", "end"])
def test_uncertain_intervals_are_estimated(field: FieldBench, stamp: str) -> None:
    # https://github.com/BottlecapDave/HomeAssistant-OctopusEnergy/issues/817
    field.apply(file_of(_QUARTERS.replace("end", stamp)))
    shift = HOUR / 4 if stamp == "start" else timedelta(0)
    field.deliver(
        [
            message(_START + k * HOUR / 4 - shift, 0.1, "uncertain" if k <= 5 else "good")
            for k in range(1, 9)
        ],
        at=_START + 2 * HOUR,
    )
    field.settle(_START + 3 * HOUR)
    rows = field.rows("SELECT quality, estimated_ms, covered_ms FROM emission_hour ORDER BY hour")
    assert [row["quality"] for row in rows] == ["estimated", "measured"]
    assert [row["estimated_ms"] for row in rows] == [3_600_000, 900_000]
    assert [row["covered_ms"] for row in rows] == [3_600_000, 3_600_000]


def test_a_step_of_a_register_is_estimated_if_either_end_is_uncertain(field: FieldBench) -> None:
    field.apply(file_of(_REGISTER))
    field.deliver(
        [
            message(_START + timedelta(minutes=10 * k), 100 + k, "uncertain" if k == 3 else "good")
            for k in range(7)
        ],
        at=_START + HOUR,
    )
    field.settle(_START + HOUR)
    assert [
        row["n"]
        for row in field.rows(
            "SELECT extract(minute FROM minute)::int AS n FROM emission_minute"
            " WHERE estimated_ms > 0 ORDER BY minute"
        )
    ] == list(range(20, 40))
    assert field.hours("grid")[0]["quality"] == "measured"
    assert field.total("grid")[0] == pytest.approx(6.0)


def test_what_an_uncertain_value_of_a_gauge_holds_is_estimated(field: FieldBench) -> None:
    field.apply(file_of(_POWER))
    # tick by tick, so that the readings are those remembered between ticks
    for k in range(8):
        at = _START + timedelta(minutes=10 * k)
        quality = "uncertain" if k in {1, 2, 3, 4} else "good"
        field.deliver([message(at, 6.0, quality)], at=at)
        field.settle(at + timedelta(seconds=1))
    (row, *_) = field.rows("SELECT quality, estimated_ms, covered_ms FROM emission_hour")
    assert row == {"quality": "estimated", "estimated_ms": 2_400_000, "covered_ms": 3_600_000}


def test_bad_values_stay_gaps(field: FieldBench) -> None:
    field.apply(file_of(_QUARTERS))
    field.deliver(_quarters(lambda k: "bad" if k % 2 else "uncertain"), at=_START + 2 * HOUR)
    field.settle(_START + 2 * HOUR)
    rows = field.rows("SELECT covered_ms, estimated_ms FROM emission_hour ORDER BY hour")
    assert rows == [{"covered_ms": 1_800_000, "estimated_ms": 1_800_000}] * 2
