"""Sums of 365 days, their highest, and whether what lies below it says anything."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from services.core.accounting.pathway.days import DailyMasses
from services.core.accounting.pathway.peak import Peak, peak
from services.core.accounting.uncertainty import Component

DAY_MS = 86_400_000.0


def masses(*kg: float, known: float = 1.0, percent: float | None = 1.0) -> DailyMasses:
    """Two sources; the second emits as much as the first, by the same meter."""
    of_day = np.array(kg)
    stated = None if percent is None else (Component(id="meter", percent=percent),)
    return DailyMasses(
        first=date(2024, 1, 1),
        kg=np.array([of_day, of_day]),
        known_ms=np.full((2, of_day.size), known * DAY_MS),
        day_ms=np.full(of_day.size, DAY_MS),
        whole_days=of_day.size,
        components=[lambda _first, _last: stated] * 2,
    )


def found(days: DailyMasses) -> Peak | None:
    return peak(days.rolling_kg, days.rolling_known, days.half_of_sum)


def test_a_year_is_the_sum_of_its_days_with_the_share_that_is_known() -> None:
    days = masses(*[1.0] * 366, *[2.0] * 100, known=0.9)
    of_2024 = days.of_year(2024)
    assert of_2024 is not None
    assert (of_2024.kg, of_2024.known_share) == (732, pytest.approx(0.9))
    # one meter is wrong alike on all days and in both sources
    assert of_2024.half_kg == pytest.approx(7.32)
    of_2025 = days.of_year(2025)
    assert of_2025 is not None
    assert of_2025.kg == 400
    assert days.of_year(2023) is None
    assert days.of_year(2026) is None


def test_days_before_the_first_one_are_unknown() -> None:
    later = masses(*[1.0] * 100)
    of_2024 = DailyMasses(
        first=date(2024, 7, 1),
        kg=later.kg,
        known_ms=later.known_ms,
        day_ms=later.day_ms,
        whole_days=100,
        components=later.components,
    ).of_year(2024)
    assert of_2024 is not None
    # 182 days had gone by
    assert of_2024.known_share == pytest.approx(100 / 282)


def test_rising_emissions_have_not_peaked() -> None:
    first = found(masses(*np.linspace(1, 2, 500)))
    assert first is not None
    assert (first.verdict, first.below_kg) == ("highest", 0)
    level = found(masses(*[1.1] * 900))
    assert level is not None
    assert level.verdict == "highest"


def test_a_peak_needs_a_fall_beyond_the_band_and_a_year_of_its_own() -> None:
    falling = [2.0] * 400
    # 365 x 4 kg, and 100 days of half as much
    still = found(masses(*falling, *[1.0] * 100))
    assert still is not None
    assert (still.highest_kg, still.below_kg) == (1460, pytest.approx(200))
    assert still.half_kg == pytest.approx(np.hypot(14.6, 12.6))
    assert still.verdict == "below"
    over = found(masses(*falling, *[1.0] * 400))
    assert over is not None
    assert (over.highest_day, over.verdict) == (399, "peaked")
    unclear = found(masses(*falling, *[1.0] * 400, percent=60.0))
    assert unclear is not None
    assert unclear.verdict == "unclear"
    unstated = found(masses(*falling, *[1.0] * 400, percent=None))
    assert unstated is not None
    assert (unstated.verdict, unstated.half_kg) == ("unknown", None)


def test_too_little_known_tells_no_peak() -> None:
    assert found(masses(*[1.0] * 364)) is None
    assert found(masses(*[1.0] * 800, known=0.89)) is None
    assert masses(*[1.0] * 729).newest_sums() == (730, None)
    assert masses(*[1.0] * 365, *[2.0] * 365).newest_sums() == (1460, 730)
