"""An amount of a period becomes a part a day, exactly, and the same parts each time."""

from __future__ import annotations

import math
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.core.accounting.activity_pieces import instants_us, pieces
from services.core.accounting.units import UnitError, conversion
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
    assert instants == [part.ts_us for part in parts]


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
