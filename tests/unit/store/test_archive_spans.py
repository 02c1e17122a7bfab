"""Which days may be in the archive alone: what is computed beside them never misses a reading."""

from __future__ import annotations

import random
from datetime import date

import pytest

from services.core.store.readings.archive.calendar import first_day, month_after, month_of
from services.core.store.readings.archive.spans import (
    FIRST_DAY,
    REACH,
    ArchivedSpan,
    StoredDay,
    leaving,
)

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


def _days(first: int, count: int, usable: int = 24) -> list[StoredDay]:
    return [
        StoredDay(day=first + number, usable=usable, archived=True, present=True)
        for number in range(count)
    ]


def test_of_the_oldest_months_all_but_the_last_two_days_go() -> None:
    days = _days(first_day(JANUARY), 31 + 28 + 31)
    plan = leaving(days, {JANUARY, FEBRUARY}, {JANUARY, FEBRUARY, MARCH})
    last = first_day(MARCH) - 1
    assert plan.days == {day.day for day in days[: 31 + 28 - 2]}
    assert plan.archived_spans == (
        ArchivedSpan(
            first_day=FIRST_DAY,
            last_day=last,
            first_uncomputed=FIRST_DAY,
            last_uncomputed=last - 1,
        ),
    )


def test_a_month_that_is_back_has_what_it_is_computed_with_around_it() -> None:
    days = _days(first_day(JANUARY), 31 + 28 + 31)
    plan = leaving(days, {JANUARY, MARCH}, {JANUARY, FEBRUARY, MARCH})
    assert not any(month_of(day) == FEBRUARY for day in plan.days)
    january, march = plan.archived_spans
    assert january.last_day == first_day(FEBRUARY) - 1
    assert march.first_day == first_day(MARCH)
    assert first_day(FEBRUARY) - 2 not in plan.days
    assert first_day(MARCH) + 1 not in plan.days
    assert first_day(MARCH) + 2 in plan.days


def test_what_was_not_archived_as_it_is_stays_and_what_lies_around_it() -> None:
    days = _days(first_day(JANUARY), 31)
    days[15] = StoredDay(day=days[15].day, usable=24, archived=False, present=True)
    plan = leaving(days, {JANUARY}, {JANUARY})
    kept = {day.day - first_day(JANUARY) for day in days} - {
        day - first_day(JANUARY) for day in plan.days
    }
    assert kept == {13, 14, 15, 16, 17, 29, 30}


def test_a_month_without_readings_that_stays_parts_those_around_it() -> None:
    days = _days(first_day(JANUARY), 31) + _days(first_day(MARCH), 31)
    both = leaving(days, {JANUARY, MARCH}, {JANUARY, MARCH})
    assert len(both.archived_spans) == 1
    parted = leaving(days, {JANUARY, MARCH}, {JANUARY, FEBRUARY, MARCH})
    assert [span.last_day for span in parted.archived_spans] == [days[30].day, days[-1].day]


@pytest.mark.parametrize("seed", range(40))
def test_beside_what_stays_lie_as_many_readings_as_it_takes(seed: int) -> None:
    rng = random.Random(seed)
    months = [date(2026, month, 1) for month in range(1, 7)]
    days = [
        StoredDay(
            day=day,
            usable=rng.choice([0, 1, 3, 24, 1000]),
            archived=rng.random() < 0.97,
            present=True,
        )
        for day in range(first_day(months[0]), first_day(month_after(months[-1])))
        if rng.random() < 0.8
    ]
    removed = {month for month in months if rng.random() < 0.6}
    plan = leaving(days, removed, months)
    assert all(month_of(day) in removed for day in plan.days)
    usable = {day.day: day.usable for day in days}
    for span in plan.archived_spans:
        gone = [day for day in plan.days if span.first_day <= day <= span.last_day]
        after = range(max(gone) + 1, span.last_uncomputed + 1)
        still = range(span.last_uncomputed + 1, span.last_day + 1)
        assert sum(usable.get(day, 0) for day in after) >= REACH
        assert sum(usable.get(day, 0) for day in still) >= REACH
        if span.first_day != FIRST_DAY:
            before = range(span.first_uncomputed, min(gone))
            still = range(span.first_day, span.first_uncomputed)
            assert sum(usable.get(day, 0) for day in before) >= REACH
            assert sum(usable.get(day, 0) for day in still) >= REACH
    # whoever is outside of every span has nothing of the archive in one
    outside = [
        d for d in days if not any(s.first_day <= d.day <= s.last_day for s in plan.archived_spans)
    ]
    assert plan.days.isdisjoint({day.day for day in outside})
