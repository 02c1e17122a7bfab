"""Hours of a source under a rule: judged, filled, computed as reported, and final in time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120,
         calibration: {references: [0, 18]}}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
    validity: part75
    substitution: part75
"""

START = instant("2026-03-01T00:00:00Z")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SHORT_TON_KG = Decimal("907.18474")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


def hour_of(
    number: int, co2: float, flow: float, minutes: Iterable[int] = range(60)
) -> list[Reading]:
    """One reading a minute of both inputs."""
    start = START + number * HOUR
    return [
        Reading(channel, start + minute * MINUTE, value)
        for minute in minutes
        for channel, value in (("cems.co2", co2), ("cems.flow", flow))
    ]


def as_reported_kg(co2: str, flow: int) -> float:
    """F-11 at an hour's averages as recorded, at one decimal of a short ton."""
    tons = Decimal("5.7e-7") * Decimal(co2) * flow
    return float(tons.quantize(Decimal("0.1"), ROUND_HALF_UP) * SHORT_TON_KG)


def close_all(plant: Plant, now: datetime) -> None:
    """Let the data come to rest, then close whatever is due at ``now``."""
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + MINUTE)


def hours(plant: Plant) -> list[tuple[int, float, str, str | None, bool]]:
    """(hour's number, kg, quality, code, final) of each hour in force."""
    rows = plant.rows(
        "SELECT extract(epoch FROM hour)::int8 / 3600, co2_ug, quality, code, final"
        " FROM emission_hour ORDER BY 1"
    )
    first = int(START.timestamp()) // 3600
    return [(int(h) - first, ug / 1e9, q, c, f) for h, ug, q, c, f in rows]


def ledger(plant: Plant) -> list[tuple[int, int, str, str]]:
    """(hour's number, version, quality, reason) of every version, the old ones too."""
    rows = plant.rows(
        "SELECT extract(epoch FROM hour)::int8 / 3600, version, quality, reason"
        " FROM (SELECT hour, version, quality, reason FROM emission_hour UNION ALL"
        "       SELECT hour, version, quality, reason FROM emission_hour_history) v ORDER BY 1, 2"
    )
    first = int(START.timestamp()) // 3600
    return [(int(h) - first, v, q, r) for h, v, q, r in rows]


def test_a_valid_hour_is_final_at_the_rules_own_figure(plant: Plant) -> None:
    plant.store(hour_of(0, 12.34, 1_234_567))
    close_all(plant, START + 2 * HOUR)
    # 12.3 % and 1 235 000 scf/h as recorded make 8.7 short tons; the live sum is 8.68
    assert hours(plant)[0] == (
        0, pytest.approx(as_reported_kg("12.3", 1_235_000)), "measured", "quadrants", True,
    )  # fmt: skip
    assert as_reported_kg("12.3", 1_235_000) == pytest.approx(8.7 * 907.18474)


def test_minutes_and_windows_add_up_to_the_hours(plant: Plant) -> None:
    plant.store(hour_of(0, 12.34, 1_234_567) + hour_of(2, 11.2, 1_300_000))
    close_all(plant, START + 4 * HOUR + 20 * MINUTE)
    (total,) = plant.rows("SELECT sum(co2_ug)::int8 FROM emission_hour")
    assert plant.rows("SELECT sum(co2_ug + closing_ug)::int8 FROM emission_minute") == [total]
    assert plant.rows("SELECT co2_ug::int8 FROM rolling_total WHERE span = '24h'") == [total]
    assert plant.rows("SELECT co2e_ug::int8 FROM rolling_total WHERE span = 'year'") == [total]
    # two hours are measured; for the one between them and the one after there is a substitute
    (by_minutes,) = plant.rows(
        "SELECT sum(covered_ms + closing_ms), sum(substituted_ms) FROM emission_minute"
    )
    assert by_minutes == (2 * 3_600_000, 2 * 3_600_000)
    assert set(
        plant.rows(
            "SELECT covered_ms + closing_ms, substituted_ms FROM rolling_total"
            " WHERE span IN ('24h', 'month', '365d')"
        )
    ) == {by_minutes}


def test_late_readings_turn_substituted_time_into_measured(plant: Plant) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000) + hour_of(2, 14.0, 1_200_000))
    close_all(plant, START + 4 * HOUR + 20 * MINUTE)
    times = (
        "SELECT sum(covered_ms + closing_ms), sum(substituted_ms) FROM emission_minute"
        " WHERE minute < '2026-03-01T03:00Z'"
    )
    assert plant.rows(times) == [(2 * 3_600_000, 3_600_000)]
    # each quadrant has data, ten of its minutes have not
    plant.store(hour_of(1, 16.0, 1_000_000, [*range(10), *range(18, 56)]))
    close_all(plant, START + 4 * HOUR + 30 * MINUTE)
    assert plant.rows(times) == [(3 * 3_600_000, 0)]
    (window,) = plant.rows(
        "SELECT covered_ms + closing_ms, substituted_ms FROM rolling_total WHERE span = '7d'"
    )
    assert (
        window
        == plant.rows(
            "SELECT sum(covered_ms + closing_ms), sum(substituted_ms) FROM emission_minute"
        )[0]
    )


def test_a_gap_takes_the_hours_around_it_and_waits_for_the_one_after(plant: Plant) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000))
    # quadrants 1 and 2 only, then an hour without a single reading
    plant.store(hour_of(1, 15.0, 1_500_000, range(30)))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    alone = pytest.approx(as_reported_kg("12.0", 1_200_000))
    assert hours(plant)[1:] == [
        (1, alone, "substituted", "co2:07 flow:07", False),
        (2, alone, "substituted", "co2:07 flow:07", False),
    ]
    plant.store(hour_of(3, 13.0, 1_400_000))
    close_all(plant, START + 4 * HOUR + 20 * MINUTE)
    # CO2: the mean of 12 and 13; flow: the mean of all prior flows, here one
    filled = pytest.approx(as_reported_kg("12.5", 1_200_000))
    assert hours(plant)[1:3] == [
        (1, filled, "substituted", "co2:07 flow:07", True),
        (2, filled, "substituted", "co2:07 flow:07", True),
    ]
    assert (
        2, 2, "substituted", "substitution resolved: hour 2026-03-01T03:00Z",
    ) in ledger(plant)  # fmt: skip


def test_a_substitute_that_only_becomes_final_says_which_hour_settled_it(plant: Plant) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000))
    plant.store(hour_of(1, 15.0, 1_500_000, range(30)))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    before = hours(plant)[1:3]
    # the same before and after the gap: no figure changes
    plant.store(hour_of(3, 12.0, 1_200_000))
    close_all(plant, START + 4 * HOUR + 20 * MINUTE)
    assert hours(plant)[1:3] == [(*hour[:-1], True) for hour in before]
    settled = "substitution resolved: hour 2026-03-01T03:00Z"
    assert {(1, 2, "substituted", settled), (2, 2, "substituted", settled)} <= set(ledger(plant))


def test_late_readings_make_a_substituted_hour_measured(plant: Plant) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000) + hour_of(2, 14.0, 1_200_000))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    assert hours(plant)[1][2:] == ("substituted", "co2:07 flow:07", True)
    plant.store(hour_of(1, 16.0, 1_000_000))
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    assert hours(plant)[1] == (
        1, pytest.approx(as_reported_kg("16.0", 1_000_000)), "measured", "quadrants", True,
    )  # fmt: skip
    assert [row[1:] for row in ledger(plant) if row[0] == 1] == [
        (1, "substituted", "closed"),
        (2, "measured", "late readings: cems.co2, cems.flow"),
    ]


def test_one_late_reading_in_each_quadrant_is_enough(plant: Plant) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000, [0, 15, 30, 45]))
    close_all(plant, START + 2 * HOUR)
    assert hours(plant) == [
        (0, pytest.approx(as_reported_kg("12.0", 1_200_000)), "measured", "quadrants", True)
    ]


def test_without_a_past_the_potential_concentration_stands_in_and_flow_stays_missing(
    plant: Plant,
) -> None:
    plant.store(hour_of(0, 12.0, 1_200_000, range(10)))
    close_all(plant, START + 2 * HOUR)
    ((_, kg, quality, code, final),) = hours(plant)
    # there is no figure by the rule, and what was measured in ten minutes is none
    assert kg == 0
    assert (quality, code, final) == ("partial", "co2:12 flow:12", True)
    assert plant.rows(
        "SELECT sum(co2_ug + closing_ug), sum(covered_ms + closing_ms), sum(substituted_ms)"
        " FROM emission_minute"
    ) == [(0, 0, 0)]
    # the readings that were missing come: the hour has the value that the rule gives it
    plant.store(hour_of(0, 12.0, 1_200_000, range(10, 60)))
    close_all(plant, START + 2 * HOUR + 5 * MINUTE)
    assert hours(plant)[0] == (
        0, pytest.approx(as_reported_kg("12.0", 1_200_000)), "measured", "quadrants", True,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_does_not_matter(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    readings: list[Reading] = []
    for number in range(30):
        kept = range(60) if rng.random() < 0.7 else range(rng.choice([0, 10, 20, 50]))
        readings += hour_of(
            number, round(rng.uniform(8, 14), 2), round(rng.uniform(1e6, 2e6)), kept
        )
    end = START + 31 * HOUR + 20 * MINUTE

    def final() -> tuple[object, ...]:
        return (
            hours(plant),
            plant.rows(
                "SELECT hour, role, average, valid, value, code FROM source_hour_input"
                " ORDER BY 1, 2"
            ),
            plant.rows(
                "SELECT minute, co2_ug + closing_ug, covered_ms + closing_ms, substituted_ms"
                " FROM emission_minute ORDER BY 1"
            ),
            plant.rows(
                "SELECT span, co2_ug, market_ug, covered_ms + closing_ms, substituted_ms"
                " FROM rolling_total ORDER BY 1"
            ),
        )

    plant.store(readings)
    close_all(plant, end)
    at_once = final()
    plant.empty()
    by_hour = list(readings)
    late = [reading for reading in by_hour if rng.random() < 0.2]
    rng.shuffle(late)
    for number in range(30):
        start = START + number * HOUR
        batch = [r for r in by_hour if start <= r.ts < start + HOUR and r not in late]
        if batch:
            plant.store(batch)
        close_all(plant, start + HOUR + 16 * MINUTE)
    for part in (late[: len(late) // 2], late[len(late) // 2 :]):
        plant.store(part)
        close_all(plant, end)
    assert final() == at_once


def test_a_rule_that_is_added_and_taken_away_restates(plant: Plant, database_url: str) -> None:
    free = FILE.replace("    validity: part75\n    substitution: part75\n", "")
    plant.store(hour_of(0, 12.34, 1_234_567) + hour_of(1, 12.34, 1_234_567, range(30)))
    close_all(plant, START + 3 * HOUR)
    under_rule = hours(plant)
    apply_text(database_url, free)
    close_all(plant, START + 3 * HOUR + 5 * MINUTE)
    assert [(h[2], h[3]) for h in hours(plant)] == [("measured", None), ("partial", None)]
    assert hours(plant)[0][1] == pytest.approx(5.7e-7 * 12.34 * 1_234_567 * 907.18474)
    assert plant.rows("SELECT count(*) FROM source_hour_input") == [(0,)]
    assert plant.rows("SELECT count(*) FROM emission_minute WHERE closing_ug <> 0") == [(0,)]
    apply_text(database_url, FILE)
    close_all(plant, START + 3 * HOUR + 10 * MINUTE)
    assert hours(plant) == under_rule


def calibration(number: int, minute: float, *responses: float) -> list[Reading]:
    start = START + number * HOUR + minute * MINUTE
    return [Reading("cems.co2", start + i * MINUTE, value, 3) for i, value in enumerate(responses)]


def test_a_failed_calibration_puts_the_monitor_out_of_control_until_one_passes(
    plant: Plant,
) -> None:
    good = range(10, 60)
    readings = hour_of(0, 12.0, 1_200_000)
    readings += calibration(1, 0, 0.1, 18.2) + hour_of(1, 12.0, 1_200_000, good)
    readings += calibration(2, 0, 0.1, 20.4) + hour_of(2, 13.0, 1_200_000, good)
    readings += hour_of(3, 13.0, 1_200_000)
    plant.store(readings)
    close_all(plant, START + 5 * HOUR)
    assert [(h[2], h[3]) for h in hours(plant)[:4]] == [
        ("measured", "quadrants"),
        ("measured", "quadrants"),
        ("substituted", "co2:07"),
        ("substituted", "co2:07"),
    ]
    assert plant.rows("SELECT passed FROM calibration_test ORDER BY ended_at") == [
        (True,),
        (False,),
    ]
    # the readings of the passed test come late: the hour after it counts again
    plant.store(calibration(3, 0.5, 0.0, 18.0))
    close_all(plant, START + 5 * HOUR + 5 * MINUTE)
    assert [(h[2], h[3]) for h in hours(plant)[2:4]] == [
        ("substituted", "co2:07"),
        ("measured", "quadrants"),
    ]


def test_a_calibration_stays_failed_when_what_is_beside_it_changes(plant: Plant) -> None:
    """Readings two hours later have the second half of it looked at: it is judged whole."""
    plant.store(hour_of(0, 12.0, 1_200_000) + calibration(1, 0, 3.0, 18.0))
    plant.tick(START + 2 * HOUR)
    failed = plant.rows("SELECT ended_at, passed, detail FROM calibration_test")
    assert [passed for _, passed, _ in failed] == [False]
    for minute in (-120, -121, 121, 122):
        plant.store([Reading("cems.co2", START + HOUR + minute * MINUTE, 12.0)])
        plant.tick(START + 5 * HOUR)
        assert plant.rows("SELECT ended_at, passed, detail FROM calibration_test") == failed


def test_other_references_judge_past_calibrations_anew(plant: Plant, database_url: str) -> None:
    plant.store(calibration(0, 0, 0.1, 16.0) + hour_of(0, 12.0, 1_200_000, range(10, 60)))
    close_all(plant, START + 2 * HOUR)
    # 16.0 lies nearest 18: an error of 2.0 %
    assert hours(plant)[0][3] != "quadrants"
    apply_text(database_url, FILE.replace("references: [0, 18]", "references: [0, 16]"))
    close_all(plant, START + 2 * HOUR + 5 * MINUTE)
    assert hours(plant)[0][2:4] == ("measured", "quadrants")


def test_a_source_under_mrr_takes_mean_and_two_sigma_when_its_year_has_closed(
    plant: Plant, database_url: str
) -> None:
    text = FILE.replace("part75", "mrr").replace("2026-03-01", "2026-12-31")
    apply_text(database_url, text)
    last_day = instant("2026-12-31T20:00:00Z")
    number = int((last_day - START) / HOUR)
    plant.store(
        hour_of(number, 10.0, 1_000_000)
        + hour_of(number + 1, 12.0, 1_000_000)
        # CO2 is missing in the third hour, the flow is there
        + [r for r in hour_of(number + 2, 0.0, 1_000_000) if r.channel == "cems.flow"]
        + hour_of(number + 3, 14.0, 1_000_000)
    )
    close_all(plant, instant("2026-12-31T23:50:00Z"))
    # sample deviation of 10 and 12 is the root of 2
    third = hours(plant)[2]
    assert third[1] == pytest.approx(as_reported_kg(str(11 + 2 * Decimal(2).sqrt()), 1_000_000))
    assert third[2:] == ("substituted", "co2:mrr-2-sigma", False)
    close_all(plant, instant("2027-01-01T02:00:00Z"))
    # 10, 12 and 14: mean 12, deviation 2
    assert hours(plant)[2][1:] == (
        pytest.approx(as_reported_kg("16", 1_000_000)), "substituted", "co2:mrr-2-sigma", True,
    )  # fmt: skip


def test_the_hour_in_which_the_data_begin_is_one_of_partial_operation(plant: Plant) -> None:
    plant.store(hour_of(1, 12.0, 1_200_000, range(35, 60)) + hour_of(2, 12.0, 1_200_000))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    first = hours(plant)[0]
    assert first == (
        1, pytest.approx(as_reported_kg("12.0", 1_200_000) / 2), "measured", "quadrants", True,
    )  # fmt: skip
    # earlier data make it an hour like any other
    plant.store(hour_of(0, 14.0, 1_200_000))
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    assert [(h[0], h[2], h[3]) for h in hours(plant)[:3]] == [
        (0, "measured", "quadrants"),
        (1, "substituted", "co2:07 flow:07"),
        (2, "measured", "quadrants"),
    ]


def test_a_gap_goes_on_after_hours_without_operation(
    database_url: str,
) -> None:
    text = FILE.replace(
        "    validity: part75",
        "    operating: {channel: boiler.load, above: 5}\n    validity: part75",
    ).replace(
        "sources:",
        "  - {id: boiler, channels: [{id: load, quantity: power, unit: MW, kind: gauge,"
        " max_gap: 7200}]}\nsources:",
    )
    plant = Plant(database_url, text)
    loads = [100.0, 100.0, 0.0, 100.0, 100.0]
    plant.store([Reading("boiler.load", START + i * HOUR, load) for i, load in enumerate(loads)])
    plant.store(hour_of(0, 12.0, 1_200_000) + hour_of(4, 13.0, 1_200_000))
    close_all(plant, START + 5 * HOUR + 20 * MINUTE)
    assert [(h[2], h[3]) for h in hours(plant)[:5]] == [
        ("measured", "quadrants"),
        ("substituted", "co2:07 flow:07"),
        ("measured", "not-operating"),
        ("substituted", "co2:07 flow:07"),
        ("measured", "quadrants"),
    ]
    assert hours(plant)[2][1] == 0
    # both parts of the gap take the same hours around it
    assert hours(plant)[1][1] == hours(plant)[3][1]
    plant.close()
