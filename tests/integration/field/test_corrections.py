"""Values that are sent twice: estimated and then actual, wrong and then right, refused and kept."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.facility.checks import warnings
from services.core.facility.file import parse
from tests.integration.field.bench import FieldBench

#: hours are closed some time after the database heard of them first, which is now
_START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
_CLOSED = _START + timedelta(hours=98)
_TOPIC = "emissions/works/meter/readings"


def _file(channel: str, *, lateness: str = "1h") -> str:
    return f"""
facility: {{id: works, name: Works, timezone: UTC}}
devices: [{{id: meter, channels: [{channel}]}}]
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources: [{{id: grid, scope: 2, method: activity, input: meter.e, factor: f, lateness: {lateness}}}]
"""


_INTERVAL = "{id: e, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: start%s}"
_GAUGE = "{id: e, quantity: power, unit: kW, kind: gauge, max_gap: 1800, range: %s}"


def _message(minute: float, value: Any, quality: str | None = None) -> tuple[str, str]:
    sent = value if quality is None else {"v": value, "q": quality}
    at = _START + timedelta(minutes=minute)
    return _TOPIC, json.dumps({"ts": at.isoformat(), "values": {"e": sent}})


def _close(field: FieldBench) -> None:
    """Compute, and then close what is over."""
    field.settle(_CLOSED)
    # an hour that changed just now is still being filled
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_CLOSED + timedelta(minutes=1))


def _day(hours: float) -> datetime:
    return _START + timedelta(hours=hours)


@pytest.mark.incident
def test_an_actual_value_replaces_the_estimate_and_restates_the_hour(field: FieldBench) -> None:
    """Case 26b."""
    field.apply(_file(_INTERVAL % ""))
    estimates = [_message(0, 0.113, "uncertain"), _message(15, 0.086, "uncertain")]
    actual = [_message(0, 0.120, "good"), _message(15, 0.086, "good")]
    field.deliver(estimates, at=_day(1))
    _close(field)
    assert float(field.hours("grid")[0]["activity"]) == pytest.approx(0.199)
    outcome = field.deliver(actual, at=_day(6))
    assert (outcome.conflicts, field.quarantine()) == (0, [])
    _close(field)
    (hour,) = [h for h in field.hours("grid") if h["hour"] == _START]
    assert float(hour["activity"]) == pytest.approx(0.206)
    assert (hour["version"], hour["reason"]) == (2, "better reading: estimated, then actual")
    # the estimates again, in any order, change nothing
    assert field.deliver([*estimates, *actual], at=_day(7)).conflicts == 0
    assert [r[1:] for r in field.readings("meter.e")] == [(0.120, 0), (0.086, 0)]
    kept = field.rows(
        "SELECT old_value, old_quality, new_value FROM reading_correction ORDER BY ts"
    )
    assert [tuple(k.values()) for k in kept] == [(0.113, 1, 0.120), (0.086, 1, 0.086)]


def test_in_whichever_order_they_come_the_same_stands_and_the_same_is_kept(
    field: FieldBench,
) -> None:
    sent = [_message(0, 1.0, "good"), _message(0, 2.0, "uncertain"), _message(0, 3.0, "bad")]
    ends = []
    for number, order in enumerate(itertools.permutations(range(3))):
        topic = f"emissions/works-{number}/meter-{number}/readings"
        field.apply(
            _file(_INTERVAL % "")
            .replace("id: works", f"id: works-{number}")
            .replace("id: meter", f"id: meter-{number}")
            .replace("input: meter", f"input: meter-{number}")
        )
        for k in order:
            field.deliver([(topic, sent[k][1])], at=_day(1 + k))
        (stored,) = field.readings(f"meter-{number}.e")
        ends.append(stored[1:])
    assert set(ends) == {(1.0, 0)}


@pytest.mark.incident
def test_a_spike_is_put_right_by_the_newest_value(field: FieldBench) -> None:
    """Case 27, without a range."""
    field.apply(_file(_INTERVAL % ", corrections: newest"))
    first = [_message(0, 23944275.0), *(_message(m, 0.2) for m in (15, 30, 45))]
    second = [_message(0, 0.24), _message(15, 0.2)]
    field.deliver(first, at=_day(2))
    _close(field)
    assert field.deliver(second, at=_day(30)).conflicts == 0
    _close(field)
    assert field.total("grid")[0] == pytest.approx(0.84)
    assert field.hours("grid")[0]["reason"] == "newer reading: the one that came last"
    # a broker that delivers both again, the old one last
    for again in (second, first, [*second, *first]):
        assert field.deliver(again, at=_day(31)).stored == 0
    _close(field)
    assert field.total("grid")[0] == pytest.approx(0.84)
    assert field.quarantine() == []


def test_of_one_batch_with_three_values_for_one_time_the_last_stands(field: FieldBench) -> None:
    field.apply(_file(_INTERVAL % ", corrections: newest"))
    field.deliver([_message(0, value) for value in (1.0, 2.0, 3.0)], at=_day(2))
    assert [r[1] for r in field.readings("meter.e")] == [3.0]
    kept = field.rows("SELECT old_value, new_value FROM reading_correction ORDER BY id")
    assert [tuple(k.values()) for k in kept] == [(1.0, 2.0), (2.0, 3.0)]


def test_by_hand_the_first_stands_until_the_other_is_accepted(field: FieldBench) -> None:
    field.apply(_file(_INTERVAL % ", corrections: by-hand"))
    assert field.deliver([_message(0, 1.0, "uncertain")], at=_day(1)).conflicts == 0
    assert field.deliver([_message(0, 2.0, "good")], at=_day(1)).conflicts == 1
    assert [r[1] for r in field.readings("meter.e")] == [1.0]
    assert field.replay().restored == 0
    assert field.replay(accept=True).accepted == 1
    assert [r[1] for r in field.readings("meter.e")] == [2.0]


def test_a_change_of_the_rule_settles_what_lies_in_quarantine(field: FieldBench) -> None:
    field.apply(_file(_INTERVAL % ", corrections: by-hand"))
    field.deliver([_message(0, 1.0, "uncertain"), _message(0, 2.0, "good")], at=_day(1))
    field.settle(_day(5))
    field.apply(_file(_INTERVAL % ""))
    assert field.rows("SELECT FROM recompute") == []
    assert field.replay().restored == 1
    assert [r[1] for r in field.readings("meter.e")] == [2.0]


@pytest.mark.incident
def test_a_refused_value_ends_the_hold_of_the_one_before(field: FieldBench) -> None:
    """As in case 01: what was 2 kW is not 2 kW any more once the meter says otherwise."""
    field.apply(_file(_GAUGE % "[0, 10]"))
    field.deliver([_message(0, 2.0)], at=_day(0))
    field.deliver([_message(10, -3.0)], at=_day(0.2))
    field.settle(_day(2.5))
    (hour,) = field.hours("grid")
    assert float(hour["activity"]) == pytest.approx(2.0 / 6)
    assert float(hour["coverage"]) == pytest.approx(1 / 6)
    assert [r[1:] for r in field.readings("meter.e")] == [(2.0, 0), (None, 2)]
    (entry,) = field.quarantine()
    assert (entry["reason"], entry["value"]) == ("out_of_range", -3.0)
    # the same again, and a second try under the same range, change nothing
    field.deliver([_message(10, -3.0)], at=_day(0.2))
    assert field.replay().restored == 0
    assert [r[1:] for r in field.readings("meter.e")] == [(2.0, 0), (None, 2)]
    # that range was too narrow
    field.apply(_file(_GAUGE % "[-10, 10], direction: both"))
    done = field.replay()
    assert (done.restored, dict(done.refused)) == (2, {})
    assert [r[1:] for r in field.readings("meter.e")] == [(2.0, 0), (-3.0, 0)]
    field.settle(_day(3))
    (hour,) = field.hours("grid")
    assert float(hour["activity"]) == pytest.approx(2.0 / 6)


def test_a_gap_that_a_value_above_the_range_left_meets_another_value(field: FieldBench) -> None:
    field.apply(_file(_GAUGE % "[0, 10], corrections: by-hand"))
    field.deliver([_message(0, 2.0), _message(10, 15.0)], at=_day(0.2))
    field.deliver([_message(10, None)], at=_day(0.3))
    reasons = [(entry["reason"], entry["value"]) for entry in field.quarantine()]
    assert sorted(reasons, key=str) == [("conflict", None), ("out_of_range", 15.0)]


def test_a_refused_value_takes_no_stored_ones_place(field: FieldBench) -> None:
    field.apply(_file(_GAUGE % "[0, 10]"))
    field.deliver([_message(0, 2.0)], at=_day(0))
    field.deliver([_message(0, 99.0)], at=_day(0.1))
    assert [r[1:] for r in field.readings("meter.e")] == [(2.0, 0)]
    assert [entry["reason"] for entry in field.quarantine()] == ["out_of_range"]


@pytest.mark.parametrize("text", ["NaN", "nan", "-Infinity", "1.#QNAN", "n/a", "9999.9"])
def test_a_text_that_means_no_value_is_a_gap(field: FieldBench, text: str) -> None:
    field.apply(
        _file("{id: e, from: e, quantity: power, unit: kW, kind: gauge, invalid: [9999.9, n/a]}")
        .replace("channels:", "topic: m/e, format: json, timestamp: {from: t}, channels:")
    )  # fmt: skip
    at = _START.isoformat()
    field.deliver([("m/e", json.dumps({"t": at, "e": text}))], at=_day(0))
    assert [r[1:] for r in field.readings("meter.e")] == [(None, 2)]
    assert field.quarantine() == []


def test_apply_warns_of_an_interval_without_a_range() -> None:
    said = [d for d in warnings(parse(_file(_INTERVAL % ""))) if "range" in d]
    assert len(said) == 1
    assert "meter.e has no range" in said[0]
    assert not [d for d in warnings(parse(_file(_INTERVAL % ", range: [0, 20]"))) if "range" in d]
