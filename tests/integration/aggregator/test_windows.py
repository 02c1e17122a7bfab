"""Rolling and to-date totals move as time passes, even when nothing arrives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from services.core.timeline import windows
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant


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


def test_a_new_source_has_windows_with_its_first_minutes(database_url: str) -> None:
    stated, name = FILE.rindex("  - {id: by-interval"), "by-interval"
    without = FILE[:stated] + FILE[FILE.index("\n", stated) + 1 :]
    plant = Plant(database_url, without)
    try:
        now = instant("2026-06-01T12:00:00+02:00")
        plant.tick(now)
        assert name not in plant.sources
        apply_text(database_url, FILE)
        plant.store([Reading("meter.quarter", now - timedelta(minutes=15), 60.0)])
        # within the same minute: nothing moves on
        plant.tick(now)
        row = plant.connection.execute(
            "SELECT co2_ug FROM rolling_total JOIN source ON source.id = source_id"
            " WHERE slug = %s AND span = '1h'",
            (name,),
        ).fetchone()
        assert row == (pytest.approx(12.0e9),)
    finally:
        plant.close()


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


def test_another_time_zone_cuts_days_and_factors_anew_and_restates(
    plant: Plant, database_url: str
) -> None:
    new_year = instant("2026-01-01T00:00:00+01:00")
    # 1 kWh a minute, at 0.25 kg until the year ends and at 0.2 kg then
    plant.store(
        [
            Reading("meter.quarter", new_year + timedelta(minutes=15 * i), 15.0)
            for i in range(-47, 41)
        ]
    )
    now = new_year + timedelta(hours=11, minutes=2)
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(now + timedelta(minutes=1))
    assert rolling(plant, "today")[0] == pytest.approx(600 * 0.2)

    # midnight of India is 18:30 UTC: earlier, and in the middle of an hour
    zone = "time zone Europe/Vienna -> Asia/Kolkata"
    apply_text(database_url, FILE.replace("Europe/Vienna", "Asia/Kolkata"), by="user berta")
    plant.tick(now + timedelta(minutes=2))
    for span in ("today", "month", "year"):
        assert rolling(plant, span)[0] == pytest.approx((600 + 270) * 0.2), span
    restated = plant.rows(
        "SELECT hour, co2_ug / 1e9, reason FROM emission_hour WHERE version = 2 ORDER BY 1"
    )
    reason = f"source configuration: {zone}; applied by user berta"
    assert restated == [
        (new_year - timedelta(hours=5 - i), pytest.approx(60 * 0.2 + (i == 0) * 30 * 0.05), reason)
        for i in range(5)
    ]
    # and back: days begin later
    apply_text(database_url, FILE)
    plant.tick(now + timedelta(minutes=3))
    for span in ("today", "month", "year"):
        assert rolling(plant, span)[0] == pytest.approx(600 * 0.2), span


@pytest.mark.parametrize(
    ("first", "last_minute", "hours"),
    [
        # the months of the two changes, each to its last local minute
        ("2026-03-01T00:00:00+01:00", "2026-03-31T23:59:00+02:00", 31 * 24 - 1),
        ("2026-10-01T00:00:00+02:00", "2026-10-31T23:59:00+01:00", 31 * 24 + 1),
        # the year so far, a summer's and a winter's evening
        ("2026-01-01T00:00:00+01:00", "2026-03-29T23:59:00+02:00", 88 * 24 - 1),
        ("2026-01-01T00:00:00+01:00", "2026-10-25T23:59:00+01:00", 298 * 24),
    ],
)
def test_month_and_year_begin_at_local_midnight_whatever_its_offset(
    first: str, last_minute: str, hours: int
) -> None:
    upto = instant(last_minute)
    begins = windows.first_minutes(upto, ZoneInfo("Europe/Vienna"))
    month_or_year = "year" if "-01-01T" in first else "month"
    assert begins[month_or_year] == instant(first)
    assert upto - begins[month_or_year] + timedelta(minutes=1) == timedelta(hours=hours)
    # a rolling span is as long as its name says through any change
    assert upto - begins["7d"] + timedelta(minutes=1) == timedelta(days=7)
    assert upto - begins["24h"] + timedelta(minutes=1) == timedelta(hours=24)


@pytest.mark.parametrize("midnight", ["2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00"])
def test_every_window_is_exact_to_the_minute_while_the_clocks_change(
    plant: Plant, midnight: str
) -> None:
    start = instant(midnight)
    plant.store(
        [
            Reading("meter.quarter", start + timedelta(minutes=15 * i), 5.0 + i % 7)
            for i in range(-9, 22)
            if i % 5
        ]
    )
    for minutes in (-61, 1, 2, 3, 59, 119, 121, 183, 244):
        now = start + timedelta(minutes=minutes)
        plant.tick(now)
        upto = now - timedelta(minutes=2)
        for span, since in windows.first_minutes(upto, ZoneInfo("Europe/Vienna")).items():
            ((ug, covered_ms),) = plant.connection.execute(
                "SELECT coalesce(sum(co2_ug), 0), coalesce(sum(covered_ms), 0) FROM emission_minute"
                " WHERE source_id = %s AND minute BETWEEN %s AND %s",
                (plant.sources["by-interval"], since, upto),
            ).fetchall()
            assert rolling(plant, span) == (float(ug) / 1e9, int(covered_ms)), (minutes, span)
