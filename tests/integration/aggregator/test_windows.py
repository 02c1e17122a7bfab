"""Rolling and to-date totals move as time passes, even when nothing arrives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.aggregator.plant import Plant, Reading, instant


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


def rolling(plant: Plant, span: str) -> tuple[float, int]:
    row = plant.connection.execute(
        "SELECT co2_ug, covered_ms FROM rolling_total WHERE source_id = %s AND span = %s",
        (plant.sources["by-interval"], span),
    ).fetchone()
    assert row is not None
    return float(row[0]) / 1e9, int(row[1])


def test_a_window_forgets_what_left_it_without_any_reading(plant: Plant) -> None:
    now = instant("2026-06-01T12:00:00+02:00")
    plant.store([Reading("meter.quarter", now, 60.0)])
    plant.tick(now)
    assert rolling(plant, "1h") == (pytest.approx(12.0 * 14 / 15), 14 * 60_000)

    plant.tick(now + timedelta(minutes=52))
    assert rolling(plant, "1h") == (pytest.approx(12.0 * 9 / 15), 9 * 60_000)

    plant.tick(now + timedelta(minutes=62))
    assert rolling(plant, "1h") == (0.0, 0)
    assert rolling(plant, "24h") == (pytest.approx(12.0), 15 * 60_000)


def test_a_late_reading_changes_the_windows_it_lies_in_and_no_other(plant: Plant) -> None:
    now = instant("2026-06-10T12:00:00+02:00")
    plant.tick(now)
    plant.store([Reading("meter.quarter", now - timedelta(days=3), 60.0)])
    plant.tick(now)
    assert rolling(plant, "1h")[0] == 0.0
    assert rolling(plant, "24h")[0] == 0.0
    assert rolling(plant, "7d")[0] == pytest.approx(12.0)
    assert rolling(plant, "month")[0] == pytest.approx(12.0)
    assert rolling(plant, "year")[0] == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [
        ("2026-03-29T00:00:00+01:00", 23),
        ("2026-10-25T00:00:00+02:00", 25),
        ("2026-06-15T00:00:00+02:00", 24),
    ],
)
def test_today_is_a_local_day_through_daylight_saving_changes(
    plant: Plant, midnight: str, hours: int
) -> None:
    start = instant(midnight)
    # 1 kg a quarter of an hour (factor 0.2), from six hours before to six hours after the day
    quarters = [
        Reading("meter.quarter", start + timedelta(minutes=15 * i), 5.0)
        for i in range(-23, (hours + 6) * 4 + 1)
    ]
    plant.store(quarters)
    end = start + timedelta(hours=hours)
    # rolling totals stand two minutes back: this is the day's last minute
    plant.tick(end + timedelta(minutes=1))
    assert rolling(plant, "today")[0] == pytest.approx(hours * 4)
    plant.tick(end + timedelta(minutes=2, hours=1))
    assert rolling(plant, "today")[0] == pytest.approx(4 + 1 / 15)
