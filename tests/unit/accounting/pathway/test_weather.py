"""The weather is taken out of the comparison of two sums of 365 days."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.pathway.temperatures import daily_means
from services.core.accounting.pathway.weather import degree_days, weather_effect
from services.core.timeline.instants import DAY_US, HOUR_US

DAYS = np.arange(730)
#: -5 to 25 degC over the year; the second year is 2 degC milder.
MEAN_C = 10 - 15 * np.cos(2 * np.pi * DAYS / 365) + np.where(DAYS >= 365, 2.0, 0.0)
DEGREES = degree_days(MEAN_C, 15.5, 22.0)


def test_degree_days_are_what_a_mean_lies_below_or_above_a_base() -> None:
    degrees = degree_days(np.array([-4.5, 15.5, 20.0, 24.0, np.nan]), 15.5, 22.0)
    assert degrees[0] == pytest.approx([20, 0, 0, 0, np.nan], nan_ok=True)
    assert degrees[1] == pytest.approx([0, 0, 0, 2, np.nan], nan_ok=True)


def test_what_the_weather_explains_is_told_apart_from_what_the_site_changed() -> None:
    # 3 kg for a heating degree day, and a level that fell from 100 to 90 kg a day
    kg = 3 * DEGREES[0] + np.where(DAYS >= 365, 90.0, 100.0)
    effect = weather_effect(kg, DEGREES, highest_day=364, newest_day=729)
    assert effect is not None
    more = DEGREES[0, :365].sum() - DEGREES[0, 365:].sum()
    assert more > 300
    assert effect.kg == pytest.approx(3 * more)
    assert effect.half_kg == pytest.approx(0, abs=1e-6)
    below = kg[:365].sum() - kg[365:].sum()
    assert below - effect.kg == pytest.approx(3650)
    assert effect.highest.heating == pytest.approx(DEGREES[0, :365].sum())
    assert effect.newest.cooling == pytest.approx(DEGREES[1, 365:].sum())


def test_heating_and_cooling_are_both_fitted_with_a_band() -> None:
    noise = np.random.default_rng(7).normal(0, 5, DAYS.size)
    kg = 3 * DEGREES[0] + 8 * DEGREES[1] + 50 + noise
    effect = weather_effect(kg, DEGREES, highest_day=364, newest_day=729)
    assert effect is not None
    more = DEGREES[:, :365].sum(axis=1) - DEGREES[:, 365:].sum(axis=1)
    assert effect.half_kg > 0
    assert abs(effect.kg - more @ np.array([3, 8])) < effect.half_kg


def test_sums_that_share_days_are_compared_by_the_others() -> None:
    kg = 3 * DEGREES[0] + 100
    effect = weather_effect(kg, DEGREES, highest_day=500, newest_day=729)
    assert effect is not None
    below = kg[136:501].sum() - kg[365:].sum()
    assert below - effect.kg == pytest.approx(0, abs=1e-6)


def test_a_site_that_the_weather_does_not_move_is_not_adjusted() -> None:
    noise = np.random.default_rng(3).normal(0, 5, DAYS.size)
    effect = weather_effect(100 + noise, DEGREES, highest_day=364, newest_day=729)
    assert effect is not None
    assert (effect.kg, effect.half_kg) == (0, 0)
    # what falls with the cold is something else
    effect = weather_effect(500 - 3 * DEGREES[0], DEGREES, highest_day=364, newest_day=729)
    assert effect is not None
    assert effect.kg == 0


def test_unknown_days_are_left_out_and_too_many_of_them_tell_nothing() -> None:
    kg = 3 * DEGREES[0] + 100
    some = DEGREES.copy()
    some[:, 100:120] = np.nan
    effect = weather_effect(kg, some, highest_day=364, newest_day=729)
    assert effect is not None
    some[:, 100:140] = np.nan
    assert weather_effect(kg, some, highest_day=364, newest_day=729) is None


def test_a_days_mean_is_of_its_hours_whenever_readings_come() -> None:
    begins = np.arange(3) * DAY_US
    ends = begins + DAY_US
    # every two hours, rising by one degree an hour; nothing on the second day after 4 o'clock
    ts = np.concatenate([np.arange(0, 29, 2), np.arange(48, 73, 2)]) * HOUR_US
    means = daily_means(ts, ts / HOUR_US, begins, ends)
    # half past each hour: 0.5 to 23.5, and 48.5 to 71.5
    assert means == pytest.approx([12, np.nan, 60], nan_ok=True)
    assert np.isnan(daily_means(ts[:0], ts[:0].astype(float), begins, ends)).all()
