"""An amount of a period becomes a part a day, exactly, and the same parts each time."""

from __future__ import annotations

import math
from datetime import date, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from services.core.accounting.activity_pieces import (
    Piece,
    hour_slots,
    instants_us,
    pieces,
    weighed_pieces,
)
from services.core.accounting.units import UnitError, conversion
from services.core.facility.activity_profile import ActivityProfile
from services.core.timeline.instants import DAY_US, HOUR_US, from_us

VIENNA = ZoneInfo("Europe/Vienna")


def test_a_bill_of_a_month_is_a_part_a_day_by_the_time_that_the_day_has() -> None:
    parts = pieces("2026-17", date(2026, 3, 1), date(2026, 4, 1), 743.0, VIENNA)
    # clocks go forward on the 29th: the month has 743 hours
    assert [part.amount for part in parts] == pytest.approx([24.0] * 28 + [23.0] + [24.0] * 2)
    days = [from_us(part.ts_us).astimezone(VIENNA) for part in parts]
    assert [day.date() for day in days] == [date(2026, 3, 1) + timedelta(n) for n in range(31)]
    assert {day.hour for day in days} <= {0}


@pytest.mark.parametrize("amount", [0.1, 2800.0, 1e5 / 3, -7.7, 0.0])
def test_parts_come_to_the_amount_whatever_the_rounding(amount: float) -> None:
    parts = pieces("x", date(2026, 1, 1), date(2027, 1, 1), amount, VIENNA)
    assert math.fsum(part.amount for part in parts) == pytest.approx(amount, rel=1e-15)
    assert parts == pieces("x", date(2026, 1, 1), date(2027, 1, 1), amount, VIENNA)
    # nor does keeping them as whole billionths add or take any
    assert sum(round(part.amount * 1e9) for part in parts) == round(amount * 1e9)
    instants = instants_us("x", date(2026, 1, 1), date(2027, 1, 1), VIENNA)
    assert {part.ts_us for part in parts} <= set(instants)


OFFICE = ActivityProfile.model_validate(
    {"hours": [0] * 8 + [2, *[1] * 9] + [0] * 6, "weekdays": [1, 1, 1, 1, 1, 0, 0]}
)
SUNDAYS = ActivityProfile.model_validate({"weekdays": [0] * 6 + [1]})


def no_shape(_source: str, _begin_us: int, _end_us: int) -> dict[int, float]:
    raise AssertionError


def weighed(
    profile: ActivityProfile, first: date, end: date, amount: float, zone: ZoneInfo = VIENNA
) -> list[Piece]:
    slots = hour_slots(first, end, zone)
    return weighed_pieces("x", slots, profile.weights(slots, no_shape), amount)


def test_a_bill_of_offices_is_used_in_their_hours() -> None:
    parts = weighed(OFFICE, date(2026, 3, 2), date(2026, 3, 9), 550.0)
    local = [from_us(part.ts_us).astimezone(VIENNA) for part in parts]
    assert {(at.weekday() < 5, 8 <= at.hour < 18) for at in local} == {(True, True)}
    assert [part.amount for part in parts] == pytest.approx([20.0, *[10.0] * 9] * 5)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 5, 3), 24)]
)
def test_a_day_that_clocks_change_on_has_its_own_hours(day: date, hours: int) -> None:
    parts = weighed(SUNDAYS, day, day + timedelta(1), 1000.0)
    assert len(parts) == hours
    assert [part.amount for part in parts] == pytest.approx([1000 / hours] * hours)
    begins = [from_us(part.ts_us).astimezone(VIENNA).date() for part in parts]
    assert set(begins) == {day}


def test_a_clock_that_goes_back_by_half_an_hour_leaves_half_a_slot() -> None:
    day = date(2026, 4, 5)
    parts = weighed(SUNDAYS, day, day + timedelta(1), 49.0, ZoneInfo("Australia/Lord_Howe"))
    assert [part.amount for part in parts] == pytest.approx([*[2.0] * 24, 1.0])


@pytest.mark.parametrize("amount", [743.0, 0.1, 1e5 / 3, -7.7, 1e-8, 0.0, 12345678.9])
@pytest.mark.parametrize("profile", [OFFICE, SUNDAYS])
def test_weighed_parts_come_to_the_amount_to_the_bit(
    amount: float, profile: ActivityProfile
) -> None:
    first, end = date(2026, 1, 1), date(2027, 1, 1)
    parts = weighed(profile, first, end, amount)
    assert math.fsum(part.amount for part in parts) == amount
    billionths = [round(Fraction(part.amount) * 10**9) for part in parts]
    assert sum(billionths) == round(Fraction(amount) * 10**9)
    assert all(part.amount * amount >= 0 for part in parts)
    # to withdraw them nobody has to know the profile, or whether there was one
    candidates = set(instants_us("x", first, end, VIENNA))
    assert {part.ts_us for part in parts} <= candidates
    assert {part.ts_us for part in pieces("x", first, end, amount, VIENNA)} <= candidates


def test_a_period_without_weight_and_weights_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no hour of the period any weight"):
        weighed(SUNDAYS, date(2026, 3, 2), date(2026, 3, 7), 1.0)
    slots = hour_slots(date(2026, 3, 2), date(2026, 3, 3), VIENNA)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="numbers of 0 and more"):
            weighed_pieces("x", slots, [wrong, *[1.0] * 23], 1.0)


def test_a_shape_is_shared_by_the_slots_that_lie_in_its_hours() -> None:
    like = ActivityProfile.model_validate({"source": "grid"})
    day = date(2026, 5, 4)
    for zone, expected in ((VIENNA, 1.0), (ZoneInfo("Asia/Kolkata"), 0.5)):
        slots = hour_slots(day, day + timedelta(1), zone)
        first_us = slots[0].begin_us // HOUR_US * HOUR_US
        by_hour = {first_us + n * HOUR_US: float(n == 3) for n in range(26)}
        weights = like.weights(slots, lambda *_, by_hour=by_hour: by_hour)
        assert sum(weights) == 1.0
        assert max(weights) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"source": "grid", "hours": [1] * 24},
        {"hours": [1] * 23},
        {"weekdays": [0] * 7},
        {"hours": [-1, *[1] * 23]},
    ],
)
def test_a_profile_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ActivityProfile.stated(wrong)


def test_entries_of_one_day_are_events_of_their_own() -> None:
    day = date(2026, 5, 4)
    instants = {
        pieces(f"trip {n}", day, day + timedelta(1), 1.0, VIENNA)[0].ts_us for n in range(1000)
    }
    assert len(instants) == 1000
    assert max(instants) - min(instants) < HOUR_US < DAY_US


def test_money_is_not_converted_and_journeys_are() -> None:
    with pytest.raises(UnitError, match="an exchange rate is of a day"):
        conversion("EUR", "USD")
    assert conversion("EUR", "EUR")(5.0) == 5.0
    assert conversion("mile", "km")(100.0) == pytest.approx(160.9344)
    assert conversion("ton-mile", "tkm")(1.0) == pytest.approx(1.4599723, rel=1e-7)
