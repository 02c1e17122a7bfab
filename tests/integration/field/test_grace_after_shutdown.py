"""A stack that starts again after a shutdown: its monitor's daily calibration is not due at once.

Vector C12: 40 CFR 75 App. B 2.1.5 gives eight hours from the start; EPA's checking code calls them
IC-Grace.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.integration.aggregator.plant import Plant, Reading, instant

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 900,
         calibration: {references: [0, 18]}}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 900}
      - {id: load, quantity: power, unit: MW, kind: gauge, max_gap: 900}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
    operating: {channel: cems.load, above: 5}
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


def run(hour: int, co2: float, *, load: float = 80.0) -> list[Reading]:
    """An hour of four readings of each channel."""
    begins = START + hour * HOUR
    return [
        Reading(channel, begins + minute * MINUTE, value)
        for minute in (0, 15, 30, 45)
        for channel, value in (("cems.co2", co2), ("cems.flow", 1_080_000.0), ("cems.load", load))
    ]


def calibration(hour: int) -> list[Reading]:
    begins = START + hour * HOUR + 50 * MINUTE
    return [
        Reading("cems.co2", begins + i * MINUTE, value, 3) for i, value in enumerate((0.1, 18.1))
    ]


def close_all(plant: Plant, hour: int) -> None:
    now = START + hour * HOUR
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + 20 * MINUTE)


def figures(plant: Plant) -> dict[int, tuple[float, str, str | None]]:
    rows = plant.rows("SELECT hour, co2_ug, quality, code FROM emission_hour")
    return {(hour - START) // HOUR: (ug / 1e9, quality, code) for hour, ug, quality, code in rows}


def reasons(plant: Plant) -> dict[int, str]:
    rows = plant.rows(
        "SELECT hour, verdict_reason FROM source_hour_input WHERE role = 'co2'",
    )
    return {(hour - START) // HOUR: reason for hour, reason in rows}


RIGHT_KG = pytest.approx(float(Decimal("7.4") * SHORT_TON_KG))
"""F-11 at 12.0 % and 1 080 000 scf/h: 7.4 short tons."""

IN_CONTROL = (RIGHT_KG, "measured", "quadrants")

#: runs in hour 0, stands still in hours 1 to 30, starts again in hour 31
SHUTDOWN = range(1, 31)


@pytest.mark.vector
def test_the_first_hours_after_a_shutdown_are_in_control(plant: Plant) -> None:
    plant.store(run(0, 4.0) + calibration(0))
    plant.store([r for hour in SHUTDOWN for r in run(hour, 0.1, load=0.0)])
    plant.store([r for hour in range(31, 40) for r in run(hour, 12.0)] + calibration(38))
    close_all(plant, 41)
    found = figures(plant)
    assert [found[hour] for hour in range(31, 39)] == [IN_CONTROL] * 8
    assert "IC-Grace" in reasons(plant)[33]
    assert "IC-Grace" not in reasons(plant)[39]


def test_without_a_test_in_time_the_grace_ends(plant: Plant) -> None:
    plant.store(run(0, 4.0) + calibration(0))
    plant.store([r for hour in SHUTDOWN for r in run(hour, 0.1, load=0.0)])
    plant.store([r for hour in range(31, 42) for r in run(hour, 12.0)])
    close_all(plant, 43)
    found = figures(plant)
    assert [found[hour][1] for hour in range(31, 42)] == ["measured"] * 8 + ["substituted"] * 3
    assert "daily calibration: expired" in reasons(plant)[39]


def test_that_the_unit_stood_still_may_be_known_late(plant: Plant) -> None:
    """Readings of the load come after its hours were closed: those since are closed again."""
    in_shutdown = [r for hour in SHUTDOWN for r in run(hour, 0.1, load=0.0)]
    late = [reading for reading in in_shutdown if reading.channel == "cems.load"]
    plant.store(run(0, 4.0) + calibration(0))
    plant.store([reading for reading in in_shutdown if reading.channel != "cems.load"])
    plant.store([r for hour in range(31, 36) for r in run(hour, 12.0)])
    close_all(plant, 37)
    assert figures(plant)[33][1] == "substituted"
    plant.store(late)
    close_all(plant, 38)
    found = figures(plant)
    assert [found[hour] for hour in range(31, 36)] == [IN_CONTROL] * 5


def test_a_monitor_never_calibrated_is_out_of_control_after_its_first_day(plant: Plant) -> None:
    plant.store([r for hour in range(30) for r in run(hour, 12.0)])
    close_all(plant, 31)
    found = figures(plant)
    assert [found[hour][1] for hour in range(30)] == ["measured"] * 26 + ["substituted"] * 4
    assert "daily calibration: no prior test" in reasons(plant)[26]
    # its first test ends it
    plant.store(calibration(30) + [r for hour in (30, 31) for r in run(hour, 12.0)])
    close_all(plant, 33)
    assert figures(plant)[31][1:] == ("measured", "quadrants")
