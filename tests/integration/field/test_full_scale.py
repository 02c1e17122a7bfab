"""Monitors that go over their scale, from their messages to the hours that are reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.core.facility.checks import warnings
from services.core.facility.file import parse
from tests.integration.field.bench import FieldBench

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%%", kind: gauge, basis: wet, max_gap: 120%s}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120%s}
sources:
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow},
     validity: part75, substitution: part75%s}
"""
_START = datetime(2026, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_SHORT_TON_KG = Decimal("907.18474")


def hour(field: FieldBench, number: int, *, until: int = 60, **values: float) -> None:
    """Deliver one message a minute of the hour, ``until`` a minute."""
    start = _START + number * _HOUR
    field.deliver(
        [
            (
                "emissions/works/cems/readings",
                json.dumps({"ts": (start + timedelta(minutes=m)).isoformat(), "values": values}),
            )
            for m in range(until)
        ],
        at=start + _HOUR,
    )


def close(field: FieldBench, number: int) -> list[tuple[float | None, str, str]]:
    """Close all hours before the one given; return kg, quality and code of each."""
    now = _START + number * _HOUR + timedelta(minutes=20)
    field.settle(now)
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    field.connection.execute("UPDATE touched SET committed_at = now()")
    field.settle(now + timedelta(minutes=1))
    return [
        (row["kg"], row["quality"], row["code"])
        for row in field.rows(
            "SELECT (co2_ug / 1e9)::float8 AS kg, quality, code FROM emission_hour WHERE hour < %s"
            " ORDER BY hour",
            _START + number * _HOUR,
        )
    ]


def inputs(field: FieldBench, number: int) -> Mapping[str, dict[str, Any]]:
    """What was recorded of an hour's inputs, by role."""
    rows = field.rows("SELECT * FROM source_hour_input WHERE hour = %s", _START + number * _HOUR)
    return {row["role"]: row for row in rows}


def tons(amount: str) -> Any:
    return pytest.approx(float(Decimal(amount) * _SHORT_TON_KG))


@pytest.mark.vector
@pytest.mark.parametrize("limits", ["", ", range: [0, 3000000]", ", range: [0, 4000000]"])
def test_a_flow_above_full_scale_is_stored_and_counts_as_twice_the_full_scale(
    field: FieldBench, limits: str
) -> None:
    # C9 of the vectors: EPA's checking code takes 2 x FLOW_FULL_SCALE_RANGE for code 20
    field.apply(_FILE % (", full_scale: 20", f", full_scale: 3000000{limits}", ""))
    hour(field, 0, co2=10.5, flow=1_050_000)
    hour(field, 1, co2=10.5, flow=3_500_000)
    assert close(field, 2)[1] == (tons("35.9"), "measured", "quadrants flow:20")
    assert float(tons("35.9").expected) == pytest.approx(32567.93, abs=0.01)
    assert {value for _, value, _ in field.readings("cems.flow")} == {1_050_000, 3_500_000}
    assert field.quarantine() == []
    recorded = inputs(field, 1)["flow"]
    assert (recorded["value"], recorded["code"]) == (6_000_000, "20")
    assert "above its scale for 60 minutes" in recorded["reason"]


def test_a_full_scale_is_in_the_channels_unit_not_as_sent(field: FieldBench) -> None:
    field.apply(_FILE % ("", ", full_scale: 3000000, range: [0, 3000000], scale: 1000", ""))
    hour(field, 0, co2=10.5, flow=2_900)
    hour(field, 1, co2=10.5, flow=3_500)
    assert close(field, 2) == [
        (tons("17.4"), "measured", "quadrants"),
        (tons("35.9"), "measured", "quadrants flow:20"),
    ]


def test_under_mrr_what_lies_above_full_scale_is_no_data_and_never_less_than_read(
    field: FieldBench,
) -> None:
    text = _FILE % (", full_scale: 20, range: [0, 25]", "", "")
    field.apply(text.replace("part75", "mrr"))
    for number in range(3):
        hour(field, number, co2=10.0, flow=1_000_000)
    hour(field, 3, co2=24.0, flow=1_000_000)
    hour(field, 4, co2=10.0, flow=1_000_000, until=30)
    hour(field, 4, flow=1_000_000)
    closed = close(field, 5)
    # the mean plus two deviations of the year is 10.0
    assert closed[3] == (tons("13.7"), "substituted", "co2:as-read")
    assert closed[4] == (tons("5.7"), "substituted", "co2:mrr-2-sigma")
    assert "0 of 60 possible" in inputs(field, 3)["co2"]["verdict_reason"]


@pytest.mark.vector
def test_a_flow_above_a_range_alone_is_refused_and_counts_as_twice_its_end(
    field: FieldBench,
) -> None:
    # C9 as it was found: a file that was written before there were more keys than range
    field.apply(_FILE % ("", ", range: [0, 3000000]", ""))
    hour(field, 0, co2=10.5, flow=1_050_000)
    hour(field, 1, co2=10.5, flow=3_500_000)
    hour(field, 2, co2=10.5, flow=1_050_000)
    assert close(field, 3)[1] == (tons("35.9"), "measured", "quadrants flow:20")
    assert {entry["reason"] for entry in field.quarantine()} == {"out_of_range"}
    stored = {(value, quality) for _, value, quality in field.readings("cems.flow")}
    assert stored == {(1_050_000, 0), (None, 5)}
    # somebody widens the range and lets them in
    field.apply(_FILE % ("", ", range: [0, 9000000]", ""))
    assert field.replay().restored == 60
    assert close(field, 3)[1] == (tons("20.9"), "measured", "quadrants")


def test_what_is_far_above_a_range_is_no_measurement(field: FieldBench) -> None:
    # a number that a broken device sends says nothing of the flow
    field.apply(_FILE % ("", ", range: [0, 3000000]", ""))
    hour(field, 0, co2=10.0, flow=1_000_000)
    hour(field, 1, co2=10.0, flow=6_000_001)
    hour(field, 2, co2=10.0, flow=1_000_000)
    assert close(field, 3)[1] == (tons("5.7"), "substituted", "flow:07")


def test_under_mrr_what_was_refused_above_a_range_was_at_least_its_end(field: FieldBench) -> None:
    text = _FILE % (", range: [0, 20]", "", "")
    field.apply(text.replace("part75", "mrr"))
    for number in range(3):
        hour(field, number, co2=10.0, flow=1_000_000)
    hour(field, 3, co2=24.0, flow=1_000_000)
    assert close(field, 4)[3] == (tons("11.4"), "substituted", "co2:as-read")


@pytest.mark.vector
def test_a_concentration_above_full_scale_counts_as_twice_the_full_scale(
    field: FieldBench,
) -> None:
    field.apply(_FILE % (", full_scale: 20, range: [0, 20]", "", ""))
    hour(field, 0, co2=20.5, flow=1_000_000)
    # 40.0 % of 1 000 000 scf/h
    assert close(field, 1) == [(tons("22.8"), "measured", "quadrants co2:20")]


@pytest.mark.vector
@pytest.mark.parametrize(
    ("channel", "source", "potential"),
    [
        # C11 of the vectors: the full scale is not the maximum potential concentration
        (", full_scale: 20", "", "14.0"),
        (", full_scale: 20, range: [0, 20]", "", "14.0"),
        (", full_scale: 20", ", unit_type: turbine", "6.0"),
        (", full_scale: 20, maximum_potential: 15.5", "", "15.5"),
        # what stood in before there were more keys than range
        (", range: [0, 20]", "", "20.0"),
        ("", "", "14.0"),
    ],
)
def test_without_a_past_the_maximum_potential_concentration_stands_in(
    field: FieldBench, channel: str, source: str, potential: str
) -> None:
    field.apply(_FILE % (channel, "", source))
    hour(field, 0, flow=1_000_000)
    hour(field, 0, co2=9.0, until=5)
    (of_hour,) = close(field, 1)
    assert of_hour[1:] == ("substituted", "co2:12")
    assert inputs(field, 0)["co2"]["value"] == Decimal(potential)


def test_a_maximum_potential_flow_stands_in_without_a_past(field: FieldBench) -> None:
    field.apply(_FILE % ("", ", full_scale: 3000000, maximum_potential: 2500000", ""))
    hour(field, 0, co2=10.0)
    hour(field, 0, flow=1_000_000, until=5)
    assert close(field, 1) == [(tons("14.3"), "substituted", "flow:12")]


@pytest.mark.vector
def test_a_negative_concentration_is_zero_with_its_code(field: FieldBench) -> None:
    field.apply(_FILE % (", full_scale: 20, range: [0, 20]", "", ""))
    hour(field, 0, co2=-0.3, flow=1_000_000)
    assert close(field, 1) == [(0.0, "measured", "quadrants co2:21")]
    assert field.quarantine() == []


def test_what_no_scale_explains_goes_to_quarantine_as_before(field: FieldBench) -> None:
    field.apply(_FILE % (", full_scale: 20, range: [0, 25]", ", range: [0, 3000000]", ""))
    hour(field, 0, co2=-2.1, flow=3_500_000)
    hour(field, 1, co2=25.1, flow=3_000_000)
    reasons = [entry["reason"] for entry in field.quarantine()]
    assert reasons == ["out_of_range"] * 120


def test_an_hour_read_above_full_scale_in_part_is_never_filled_from_below(
    field: FieldBench,
) -> None:
    field.apply(_FILE % ("", ", full_scale: 3000000", ""))
    hour(field, 0, co2=10.0, flow=1_000_000)
    hour(field, 1, co2=10.0)
    hour(field, 1, flow=3_100_000, until=10)
    hour(field, 2, co2=10.0, flow=1_000_000)
    assert close(field, 3)[1] == (tons("34.2"), "substituted", "flow:20")


def test_an_hour_that_only_holds_a_reading_above_full_scale_was_not_above_it(
    field: FieldBench,
) -> None:
    field.apply(_FILE % ("", ", full_scale: 3000000", ""))
    hour(field, 0, co2=10.0, flow=1_000_000)
    hour(field, 1, co2=10.0)
    hour(field, 1, until=59, flow=1_000_000)
    last = (_START + 2 * _HOUR - timedelta(minutes=1)).isoformat()
    message = json.dumps({"ts": last, "values": {"flow": 3_100_000}})
    field.deliver([("emissions/works/cems/readings", message)], at=_START + 2 * _HOUR)
    # the value of 01:59 holds into the first minute of the next hour, in which nothing was read
    hour(field, 2, co2=10.0)
    hour(field, 3, co2=10.0, flow=1_000_000)
    closed = close(field, 4)
    assert closed[1][2] == "quadrants flow:20"
    assert inputs(field, 2)["flow"]["least_known"] is None
    assert "above its scale" not in inputs(field, 2)["flow"]["verdict_reason"]
    # the mean of the hours around it: 1 083 000 as recorded, and 1 000 000
    assert closed[2] == (tons("5.9"), "substituted", "flow:07")


def test_under_no_rule_a_reading_above_full_scale_counts_as_read(field: FieldBench) -> None:
    text = _FILE % ("", ", full_scale: 3000000", "")
    field.apply(text.replace("validity: part75, substitution: part75", "lateness: 0"))
    hour(field, 0, co2=10.0, flow=3_500_000)
    field.settle(_START + 2 * _HOUR)
    assert float(field.hours("stack")[0]["co2_kg"]) == pytest.approx(
        5.7e-7 * 10 * 3.5e6 * 907.18474, rel=1e-6
    )


def test_apply_says_what_a_file_with_only_a_range_should_add() -> None:
    text = _FILE % (", range: [0, 20]", ", range: [0, 3000000]", "")
    said = list(warnings(parse(text)))
    for reference in ("cems.co2", "cems.flow"):
        (warning,) = [each for each in said if each.startswith(f"{reference} has no full_scale")]
        assert "the end of range stands for it, so that what is above is refused" in warning
        assert "give full_scale" in warning
        assert "and maximum_potential, for which it stands too" in warning
    complete = ", full_scale: 20, maximum_potential: 14"
    flow = ", full_scale: 3000000, maximum_potential: 2500000"
    assert not list(warnings(parse(_FILE % (complete, flow, ""))))
    # what the full scale does not tell
    (warning,) = warnings(parse(_FILE % (complete, ", full_scale: 3000000", "")))
    assert "cems.flow has no maximum_potential" in warning
