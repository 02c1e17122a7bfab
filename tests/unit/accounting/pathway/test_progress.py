"""Budgets, gaps and trends, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.core.accounting.pathway.days import KnownMass
from services.core.accounting.pathway.paths import Point, contraction, stated
from services.core.accounting.pathway.progress import Progress
from services.core.accounting.pathway.standing import (
    ActualYear,
    Moment,
    actual_years,
    half_of_years,
    missing_years,
    progress,
)

#: 90 in 2025, 80 in 2026 ... 0 in 2034: 450 in all
PATH = contraction(Point(year=2024, value=100.0), 10)
MIDDLE_OF_2026 = Moment(year=2026, elapsed=0.5)


def known(kg: float, half_kg: float | None = 1.0) -> KnownMass:
    return KnownMass(kg=kg, known_share=0.9, half_kg=half_kg)


def at_the_middle(**special: float | None) -> Progress:
    actual = actual_years(range(2025, 2027), {2025: known(85), 2026: known(42)}, {}, MIDDLE_OF_2026)
    given: dict[str, float | None] = {
        "rate_kg_day": 0.2,
        "newest_365d_kg": 84.0,
        "before_365d_kg": 86.0,
    }
    return progress(PATH, actual, MIDDLE_OF_2026, **{**given, **special})


def test_what_is_left_of_the_year_and_of_the_whole_path() -> None:
    now = at_the_middle()
    assert (now.year_left_kg, now.year_days_left) == (38, pytest.approx(190))
    assert (now.budget_kg, now.budget_left_kg) == (450, 450 - 127)
    assert now.days_left == pytest.approx(323 / 0.2)
    # 90 and half of 80 were allowed
    assert (now.allowed_to_date_kg, now.gap_kg) == (130, -3)


def test_nothing_left_is_0_days_and_no_rate_lasts_for_ever() -> None:
    assert replace(at_the_middle(), budget_kg=100).days_left == 0
    assert at_the_middle(rate_kg_day=0.0).days_left is None
    assert at_the_middle(rate_kg_day=None).days_left is None


def test_what_is_emitted_after_the_last_year_takes_nothing_off_the_budget() -> None:
    path = stated(Point(year=2024, value=100.0), [Point(year=2025, value=50.0)])
    for year, days in ((2025, pytest.approx(10 / 0.2)), (2026, None)):
        now = Moment(year=year, elapsed=1.0)
        actual = actual_years(range(2025, year + 1), {2025: known(40), 2026: known(45)}, {}, now)
        standing = progress(
            path, actual, now, rate_kg_day=0.2, newest_365d_kg=None, before_365d_kg=None
        )
        assert (standing.budget_left_kg, standing.days_left) == (10, days)
    # the last allowance holds on, for the year and for the gap
    assert (standing.year_left_kg, standing.gap_kg) == (5, 85 - 100)


def test_a_path_that_has_not_begun_has_its_whole_budget() -> None:
    now = Moment(year=2023, elapsed=0.5)
    standing = progress(PATH, {}, now, rate_kg_day=0.2, newest_365d_kg=None, before_365d_kg=None)
    assert (standing.budget_left_kg, standing.year_left_kg, standing.gap_kg) == (450, None, 0)
    assert half_of_years({}, PATH) == 0


def test_a_trend_crosses_the_path_in_the_first_year_above_it() -> None:
    # the newest 365 days have their middle at the turn of the year: 84 - 2 x 0.5 in 2026
    assert at_the_middle().crosses_year == 2026
    # 66, 58, 50 ... 10, 2 against 80, 70, 60 ... 10, 0
    assert at_the_middle(newest_365d_kg=70.0, before_365d_kg=78.0).crosses_year == 2034
    assert at_the_middle(newest_365d_kg=70.0, before_365d_kg=82.0).crosses_year is None
    assert at_the_middle(before_365d_kg=None).crosses_year is None


def test_a_year_of_which_nothing_is_known_leaves_sums_unknown() -> None:
    actual = actual_years(range(2025, 2027), {2026: known(42)}, {}, MIDDLE_OF_2026)
    assert missing_years(PATH, actual, MIDDLE_OF_2026) == [2025]
    now = progress(
        PATH,
        actual,
        MIDDLE_OF_2026,
        rate_kg_day=1.0,
        newest_365d_kg=None,
        before_365d_kg=None,
    )
    assert (now.gap_kg, now.budget_left_kg, now.days_left) == (None, None, None)
    assert now.year_left_kg == 38


def test_a_stated_figure_counts_in_a_past_year_alone() -> None:
    measured = {2025: known(85), 2026: known(42)}
    actual = actual_years(range(2025, 2027), measured, {2025: 88.0, 2026: 99.0}, MIDDLE_OF_2026)
    assert [(actual[y].kg, actual[y].origin) for y in actual] == [(88, "stated"), (42, "measured")]
    assert half_of_years(actual, PATH) == 1.0
    unstated = actual_years(range(2025, 2027), {2026: known(42, None)}, {}, MIDDLE_OF_2026)
    assert half_of_years(unstated, PATH) is None


def test_paths_are_added_up_and_what_ended_stays_at_its_last_allowance() -> None:
    total = Progress.total([at_the_middle(), at_the_middle(rate_kg_day=0.3)])
    assert (total.budget_left_kg, total.gap_kg) == (646, -6)
    assert total.days_left == pytest.approx(646 / 0.5)
    shorter = replace(at_the_middle(), allowed_kg={2026: 80, 2027: 30})
    added = Progress.total([at_the_middle(), shorter])
    assert [added.allowed_kg[y] for y in (2026, 2027, 2028, 2034)] == [160, 100, 90, 30]
    assert Progress.total([at_the_middle(), at_the_middle(rate_kg_day=None)]).days_left is None


@pytest.mark.parametrize(
    ("share", "told", "gap_kg"),
    [(0.9, {}, -3), (0.89, {}, None), (0.89, {2025: 85.0}, -3), (None, {}, None)],
)
def test_a_year_of_which_less_than_90_percent_is_known_leaves_no_gap(
    share: float | None, told: dict[int, float], gap_kg: float | None
) -> None:
    measured = {2026: known(42)}
    if share is not None:
        measured[2025] = replace(known(85), known_share=share)
    actual = actual_years(range(2025, 2027), measured, told, MIDDLE_OF_2026)
    now = progress(
        PATH, actual, MIDDLE_OF_2026, rate_kg_day=0.2, newest_365d_kg=None, before_365d_kg=None
    )
    assert (now.gap_kg, now.actual_year_kg) == (gap_kg, 42)
    total = Progress.total([at_the_middle(), now])
    assert total.gap_kg == (None if gap_kg is None else -6)


def test_a_path_that_is_over_holds_on_and_one_to_come_allows_nothing_yet() -> None:
    over = stated(Point(year=2020, value=100.0), [Point(year=2025, value=50.0)])
    actual = {
        year: ActualYear(kg=50, origin="stated", known_share=None, half_kg=0.0)
        for year in range(2021, 2027)
    }
    ended = progress(
        over, actual, MIDDLE_OF_2026, rate_kg_day=0.2, newest_365d_kg=90.0, before_365d_kg=80.0
    )
    assert (dict(ended.allowed_kg), ended.year_left_kg, ended.crosses_year) == ({2026: 50}, 0, 2026)
    later = stated(Point(year=2026, value=100.0), [Point(year=2028, value=40.0)])
    to_come = progress(
        later, {}, MIDDLE_OF_2026, rate_kg_day=0.2, newest_365d_kg=90.0, before_365d_kg=80.0
    )
    assert (to_come.year_left_kg, dict(to_come.allowed_kg)) == (None, {2027: 70, 2028: 40})
    assert dict(Progress.total([to_come]).allowed_kg) == {2027: 70, 2028: 40}
    both = Progress.total([ended, to_come])
    assert dict(both.allowed_kg) == {2026: 50, 2027: 120, 2028: 90}
    assert (both.year_left_kg, both.actual_year_kg) == (0, 50)
