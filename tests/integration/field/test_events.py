"""Logs of events: refrigerant charges, deliveries, batches. Silence is zero, and known."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.audit import verify
from services.aggregator.head import Head
from services.aggregator.tick import tick
from services.core.facility.file import FacilityFileError, parse
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench

_START = datetime(2026, 3, 1, tzinfo=UTC)
_END = _START + 12 * HOUR

_FILE = """
facility: {{id: {facility}, name: Cold store, timezone: UTC}}
devices:
  - id: log
    channels: [{{id: charge, quantity: mass, unit: kg, kind: event, since: "{since}"{more}}}]
factors: [{{id: r744, unit: kg, co2_kg: 1, citation: "what leaks is CO2"}}]
sources:
  - {{id: leaks, scope: 1, method: activity, input: log.charge, factor: r744, lateness: 1h}}
thresholds:
  - {{id: leak, source: leaks, measure: total, window: 24h, above: 20, severity: info}}
"""


def file_of(facility: str = "cold", since: str = "2026-03-01T02:00:00Z", more: str = "") -> str:
    return _FILE.format(facility=facility, since=since, more=more)


def charge(hour: float, kg: object, facility: str = "cold") -> tuple[str, str]:
    payload = {"ts": (_START + hour * HOUR).isoformat(), "values": {"charge": kg}}
    return f"emissions/{facility}/log/readings", json.dumps(payload)


def close(field: FieldBench, now: datetime = _END) -> None:
    """Compute, and then close what is over."""
    field.settle(now)
    field.connection.execute(
        "UPDATE emission_hour SET known_at = known_at - interval '1 h',"
        " opened_at = opened_at - interval '1 h'"
    )
    field.connection.execute(
        "UPDATE emission_hour_history SET known_at = known_at - interval '1 h',"
        " superseded_at = superseded_at - interval '1 h'"
    )
    field.connection.execute(
        "UPDATE reading SET received_at = received_at - interval '1 h',"
        " known_at = known_at - interval '1 h'"
    )
    field.settle(now + HOUR / 60)


def hours_of(field: FieldBench) -> list[tuple[int, float, str]]:
    """Hour since the start, kg CO2, quality."""
    return [
        (int((row["hour"] - _START) / HOUR), float(row["co2_kg"]), row["quality"])
        for row in field.hours("leaks")
    ]


def minutes_of(field: FieldBench, facility: str) -> list[dict[str, object]]:
    return field.rows(
        "SELECT minute, co2_ug, activity_n, covered_ms, estimated_ms FROM emission_minute m"
        " JOIN source s ON s.id = m.source_id JOIN facility f ON f.id = s.facility_id"
        " WHERE f.slug = %s ORDER BY 1",
        facility,
    )


def test_hours_without_an_event_are_known_zero_from_since_on(field: FieldBench) -> None:
    field.apply(file_of())
    close(field)
    assert hours_of(field) == [(k, 0.0, "measured") for k in range(2, 12)] + [(12, 0.0, "partial")]
    field.deliver([charge(5.5, 12.5), charge(5.6, 2.5), charge(1, 99)], at=_END)
    field.settle(_END + 2 * HOUR)
    known = {hour: kg for hour, kg, _ in hours_of(field)}
    assert known[5] == 15.0
    assert sum(known.values()) == 15.0
    (hour,) = [row for row in field.hours("leaks") if row["version"] > 1]
    assert hour["reason"] == "late readings: log.charge"


def test_new_minutes_are_known_as_they_begin(field: FieldBench) -> None:
    field.apply(file_of())
    for k in range(5):
        field.settle(_START + 3 * HOUR + timedelta(minutes=k))
    assert len(minutes_of(field, "cold")) == 65
    field.settle(_START + 4 * HOUR)
    assert {row["covered_ms"] for row in minutes_of(field, "cold")} == {60_000}
    # the log begins later after all
    field.apply(file_of(since="2026-03-01T03:30:30Z"))
    field.settle(_START + 4 * HOUR)
    covered = [row["covered_ms"] for row in minutes_of(field, "cold") if row["covered_ms"]]
    assert covered == [30_000] + [60_000] * 30


def test_late_doubled_and_shuffled_events_give_the_same_minutes(field: FieldBench) -> None:
    field.apply(file_of())
    field.apply(file_of("live"))
    events = [(2 + k * 0.37, 1 + k / 8) for k in range(20)]
    field.deliver([charge(*event) for event in events], at=_END)
    messages = [charge(*event, "live") for event in events]
    messages += messages[3:9]
    random.Random(3).shuffle(messages)
    while messages:
        field.deliver(messages[:4], at=_END)
        field.settle(_END)
        messages = messages[4:]
    assert minutes_of(field, "live") == minutes_of(field, "cold")


def test_an_event_of_unknown_amount_is_not_zero(field: FieldBench) -> None:
    field.apply(file_of(more=", range: [0, 50]"))
    field.deliver([charge(4.5, None), charge(6.5, 70.0), charge(7.5, 3.0)], at=_END)
    close(field)
    unknown = [hour for hour, _, quality in hours_of(field) if quality == "partial"]
    assert unknown == [4, 6, 12]
    (refused,) = field.quarantine()
    assert refused["reason"] == "out_of_range"
    # corrected in the file, it comes in by itself
    field.apply(file_of(more=", range: [0, 80]"))
    field.replay()
    field.settle(_END + HOUR)
    assert {hour: kg for hour, kg, _ in hours_of(field)}[6] == 70.0


def test_windows_thresholds_and_verification_take_events(field: FieldBench) -> None:
    field.apply(file_of())
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    field.connection.execute("UPDATE threshold SET in_force_from = %s", (_START,))
    field.deliver([charge(3.5, 12.0)], at=_END)
    close(field)
    firing = "SELECT value FROM alert_transition WHERE state = 'firing'"
    assert field.rows(firing) == []
    field.deliver([charge(4.5, 9.0)], at=_END)
    close(field, _END + HOUR)
    (window,) = field.rows("SELECT co2_ug FROM rolling_total WHERE span = '24h'")
    assert int(window["co2_ug"]) == 21 * 10**9
    assert [float(row["value"]) for row in field.rows(firing)] == [21.0]
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (source,) = final_hours.sources(connection, None)
        first = int(_START.timestamp()) // 3600
        found = verify.step(connection, plan, source, first, first + 11, datetime.now(UTC))
    assert (found.checked, found.differences) == (10, ())


def test_an_event_of_years_ago_stands_alone_by_nature(field: FieldBench) -> None:
    field.apply(file_of(since="2023-01-01T00:00:00Z"))
    field.deliver([charge(-24 * 900, 4.0)], at=_END)
    assert field.quarantine() == []
    # before the log begins a clock may be wrong as ever
    epoch = json.dumps({"ts": "2020-01-01T00:00:10Z", "values": {"charge": 4.0}})
    field.deliver([("emissions/cold/log/readings", epoch)], at=_END)
    assert [row["reason"] for row in field.quarantine()] == ["stands_alone"]


def test_an_event_needs_its_own_time_and_the_begin_of_its_log() -> None:
    mapped = file_of().replace("id: log\n", "id: log\n    topic: cold/log\n    format: json\n")
    with pytest.raises(FacilityFileError, match="timed by arrival, an event that the broker"):
        parse(mapped)
    with pytest.raises(FacilityFileError, match="an event channel needs since"):
        parse(file_of().replace(', since: "2026-03-01T02:00:00Z"', ""))
    with pytest.raises(FacilityFileError, match="since belongs to an event"):
        parse(file_of().replace("kind: event", "kind: counter"))


def test_the_newest_hours_of_a_new_log_are_there_with_the_next_tick(field: FieldBench) -> None:
    # of a log of years; what it has of before follows, the newest first
    field.apply(file_of(since="2023-01-01T00:00:00Z"))
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        found = []
        for _ in range(3):
            tick(connection, plan, _END, Head(), history_first=True)
            (row,) = field.rows("SELECT min(hour) AS first, max(hour) AS last FROM emission_hour")
            found.append((row["first"], row["last"]))
    assert [last for _, last in found] == [_END] * 3
    firsts = [first for first, _ in found]
    assert firsts == sorted(firsts, reverse=True)
    assert firsts[0] < _END - 5 * 24 * HOUR
    assert len({*firsts}) == 3
    (hours,) = field.rows("SELECT count(*) AS n, max(version) AS version FROM emission_hour")
    assert hours["version"] == 1
    assert int(hours["n"]) == (_END - firsts[-1]) / HOUR + 1
