"""Clocks that were never set, and back-fills that look like them at first."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.field.bench import FieldBench

_TOPIC = "emissions/works/meter/readings"
_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 100}]
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.e, factor: f}]
"""
_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _one(at: datetime, value: float = 1.0) -> dict[str, object]:
    return {"ts": at.isoformat(), "values": {"e": value}}


def _message(*readings: dict[str, object]) -> tuple[str, str]:
    return _TOPIC, json.dumps(list(readings))


def _history(first: datetime, count: int, every: timedelta) -> Iterator[tuple[str, str]]:
    for k in range(count):
        yield _message(_one(first + k * every, float(k)))


def _reasons(field: FieldBench) -> list[str]:
    return [entry["reason"] for entry in field.quarantine() if entry["state"] == "open"]


@pytest.mark.incident
@pytest.mark.parametrize("hour", ["2000-01-01T00:00:00Z", "2010-01-01T05:00:00Z",
                                  "2019-12-31T23:00:00Z", "2007-08-09T10:11:12Z"])  # fmt: skip
def test_one_reading_years_away_is_quarantined(field: FieldBench, hour: str) -> None:
    """Case 44b."""
    field.apply(_FILE)
    old = _one(datetime.fromisoformat(hour))
    field.deliver([_message(old, _one(_NOW, 2.0))], at=_NOW)
    assert [r[0] for r in field.readings("meter.e")] == [_NOW]
    (entry,) = field.quarantine()
    assert (entry["reason"], entry["ts"]) == ("stands_alone", datetime.fromisoformat(hour))
    assert "years away" in entry["detail"]
    # the same again, and a second try, change nothing; a person's word does
    field.deliver([_message(_one(_NOW + timedelta(minutes=1), 2.0))], at=_NOW)
    assert field.replay().restored == 0
    assert field.replay(accept=True).restored == 1
    assert next(r[0] for r in field.readings("meter.e")) == datetime.fromisoformat(hour)


def test_a_wrong_clock_that_goes_on_is_not_taken_for_a_back_fill(field: FieldBench) -> None:
    field.apply(_FILE)
    # a device of which nothing is known yet, from its start to well beyond the first hours
    for hour in range(0, 60, 3):
        at = _NOW + timedelta(hours=hour)
        field.deliver([_message(_one(datetime(2000, 1, 1, tzinfo=UTC) + (at - _NOW)))], at=at)
    assert field.readings("meter.e") == []
    later = _NOW + timedelta(days=3)
    field.deliver([_message(_one(later))], at=later)
    # weeks that roll over: years back, and on at the speed of time
    for minute in range(0, 180, 20):
        at = later + timedelta(minutes=minute)
        field.deliver([_message(_one(at - timedelta(weeks=1024)))], at=at)
    assert [r[0] for r in field.readings("meter.e")] == [later]
    assert set(_reasons(field)) == {"stands_alone"}


@pytest.mark.parametrize("live_before", [False, True])
@pytest.mark.parametrize("order", ["in order", "shuffled", "newest first"])
@pytest.mark.parametrize("batch", [1, 40])
def test_a_back_fill_through_such_a_date_is_kept(
    field: FieldBench, order: str, batch: int, *, live_before: bool
) -> None:
    field.apply(_FILE)
    if live_before:
        field.deliver([_message(_one(_NOW))], at=_NOW)
    history = list(_history(datetime(2000, 1, 1, tzinfo=UTC), 60, timedelta(hours=1)))
    if order == "shuffled":
        random.Random(44).shuffle(history)
    elif order == "newest first":
        history.reverse()
    for k in range(0, len(history), batch):
        field.deliver(
            history[k : k + batch],
            at=_NOW + timedelta(milliseconds=k),
            spaced=timedelta(milliseconds=1),
        )
    field.serve_replays()
    assert len(field.readings("meter.e")) == 60 + live_before
    assert _reasons(field) == []


def test_a_device_whose_only_readings_are_old_is_believed(field: FieldBench) -> None:
    field.apply(_FILE)
    for year in (2012, 2013, 2014):
        at = datetime(year, 5, 1, tzinfo=UTC)
        field.deliver([_message(_one(at))], at=_NOW + timedelta(days=year - 2012))
    assert len(field.readings("meter.e")) == 3
    assert _reasons(field) == []


def test_what_a_late_clock_of_ingest_refused_is_restored(field: FieldBench) -> None:
    field.apply(_FILE)
    now = datetime.now(UTC)
    right, ahead = _message(_one(now)), _message(_one(now + timedelta(hours=2)))
    # ingest's clock is an hour behind, and the second device's two hours ahead
    field.deliver([right, ahead], at=now - timedelta(hours=1))
    assert _reasons(field) == ["absurd_time", "absurd_time"]
    assert field.replay().restored == 1
    assert [r[0] for r in field.readings("meter.e")] == [now]
    assert _reasons(field) == ["absurd_time"]
