"""When an hour is valid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.validity import (
    NOT_OPERATING,
    VALIDITY,
    HourOfReadings,
    Verdict,
)

MINUTE_US = 60_000_000


def evaluate(
    policy: str,
    points_min: Iterable[float],
    *,
    every_s: float = 60.0,
    operating_min: Iterable[int] = range(60),
    excused: bool = False,
    covered_s: float = 3600.0,
) -> Verdict:
    """The verdict on an hour with readings at these minutes, all of it covered by held values."""
    operating = np.zeros(60, dtype=bool)
    operating[list(operating_min)] = True
    return VALIDITY[policy].evaluate(
        HourOfReadings(
            points_us=np.array(sorted(int(at * MINUTE_US) for at in points_min), dtype=np.int64),
            every_us=int(every_s * 1e6),
            operating=operating,
            covered_s=covered_s,
            excused=excused,
        )
    )


QUADRANT_RULES = pytest.mark.parametrize("policy", ["part75", "part60"])


@QUADRANT_RULES
@pytest.mark.vector
def test_one_point_in_each_quadrant_is_enough(policy: str) -> None:
    assert evaluate(policy, [7, 22, 37, 52]).valid


@QUADRANT_RULES
@pytest.mark.vector
def test_45_points_in_three_quadrants_are_not(policy: str) -> None:
    verdict = evaluate(policy, range(45))
    assert not verdict.valid
    assert "quadrant 4" in verdict.reason


@QUADRANT_RULES
@pytest.mark.vector
def test_values_that_are_held_over_a_quadrant_are_no_points_of_it(policy: str) -> None:
    # C1 and C4
    assert evaluate(policy, [14, 44]).reason == "no data point in quadrant 2, 4"
    assert not evaluate(policy, [10 / 60, 20 / 60, 30 / 60, 40 / 60]).valid


@QUADRANT_RULES
@pytest.mark.vector
def test_two_points_15_minutes_apart_are_enough_in_a_calibration_hour(policy: str) -> None:
    assert evaluate(policy, [10, 25], excused=True).valid
    assert not evaluate(policy, [10, 24], excused=True).valid
    assert not evaluate(policy, [10, 24 + 59.999 / 60], excused=True).valid
    assert not evaluate(policy, [10, 25], excused=False).valid


@QUADRANT_RULES
@pytest.mark.vector
def test_an_hour_with_one_quadrant_of_operation_needs_one_point(policy: str) -> None:
    assert evaluate(policy, [5], operating_min=range(14)).valid
    assert not evaluate(policy, [], operating_min=range(14), excused=True).valid


@QUADRANT_RULES
def test_only_quadrants_of_operation_count(policy: str) -> None:
    assert evaluate(policy, [5, 50], operating_min=[*range(10), *range(46, 60)]).valid
    assert not evaluate(policy, [5], operating_min=[*range(10), *range(46, 60)]).valid
    # points outside of them do not make two that are 15 minutes apart
    started = range(25, 50)
    assert not evaluate(policy, [0, 26], operating_min=started, excused=True).valid


@QUADRANT_RULES
def test_a_cycle_of_a_quadrant_counts_where_the_unit_started_later_in_it(policy: str) -> None:
    assert evaluate(policy, [0, 15, 30, 45], operating_min=range(5, 60)).valid


@QUADRANT_RULES
def test_the_first_second_of_a_quadrant_belongs_to_it(policy: str) -> None:
    assert evaluate(policy, [0, 15, 30, 45]).valid
    assert evaluate(policy, [0, 15, 30], operating_min=range(45)).valid


@pytest.mark.parametrize("policy", ["part75", "part60", "mrr", "hj75"])
def test_an_hour_without_operation_is_neither_valid_nor_substituted(policy: str) -> None:
    verdict = evaluate(policy, [], operating_min=[])
    assert (verdict.valid, verdict.code, verdict.substitute) == (False, NOT_OPERATING, False)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("had", "every_s", "possible", "valid"),
    [(48, 60, 60, True), (47, 60, 60, False), (3, 900, 4, False), (288, 10, 360, True)],
)
def test_mrr_needs_four_fifths_of_the_possible_points(
    had: int, every_s: float, possible: int, valid: bool
) -> None:
    verdict = evaluate("mrr", [n * every_s / 60 for n in range(had)], every_s=every_s)
    assert verdict.valid is valid
    assert verdict.substitute is not valid
    assert verdict.reason == f"{had} of {possible} possible data points, one every {every_s:g} s"


@pytest.mark.vector
def test_one_good_reading_of_six_is_a_sixth_and_no_whole_hour() -> None:
    verdict = evaluate("mrr", range(60), every_s=10)
    assert not verdict.valid
    assert verdict.reason.startswith("60 of 360 possible")
    # C5: four of six
    kept = [n / 6 for n in range(360) if n % 6 < 4]
    assert evaluate("mrr", kept, every_s=10).reason.startswith("240 of 360 possible")


@pytest.mark.vector
def test_readings_to_the_45th_minute_are_46_of_60() -> None:
    # C7
    verdict = evaluate("mrr", range(46))
    assert (verdict.valid, verdict.reason.split(" possible")[0]) == (False, "46 of 60")


def test_possible_points_are_those_of_the_operating_time() -> None:
    verdict = evaluate("mrr", range(60), operating_min=range(20))
    assert verdict.reason.startswith("20 of 20 possible")
    assert evaluate("mrr", range(16), operating_min=range(20)).valid
    assert not evaluate("mrr", range(15), operating_min=range(20)).valid


def test_45_minutes_of_data() -> None:
    assert evaluate("hj75", range(45)).valid
    assert not evaluate("hj75", range(44)).valid
    # a reading stands for its own interval, however long it is held
    assert not evaluate("hj75", range(60), every_s=10).valid
    assert evaluate("hj75", [n / 6 for n in range(270)], every_s=10).valid


def test_the_rules_differ_on_the_same_hour() -> None:
    # 45 minutes in three quadrants: Part 75 says no, 45 minutes say yes, 80 % say no.
    verdicts = {name: evaluate(name, range(45)).valid for name in VALIDITY}
    assert verdicts == {
        "part75": False,
        "part60": False,
        "mrr": False,
        "hj75": True,
        "en17255": True,
        "none": True,
    }


def test_no_rule_still_needs_data() -> None:
    assert evaluate("none", [3]).valid
    assert evaluate("none", []).valid
    assert evaluate("none", [], covered_s=0.0).substitute


@given(st.sets(st.integers(0, 359)), st.integers(0, 359), st.booleans())
def test_more_data_never_make_an_hour_invalid(at: set[int], more: int, excused: bool) -> None:
    for name in VALIDITY:
        before = evaluate(name, [n / 6 for n in at], every_s=10, excused=excused).valid
        after = evaluate(name, [n / 6 for n in at | {more}], every_s=10, excused=excused).valid
        assert after or not before


@given(st.sets(st.integers(0, 3599), max_size=40), st.floats(0, 3600))
def test_what_a_value_covers_decides_nothing_under_a_rule(at: set[int], covered_s: float) -> None:
    for name in ("part75", "part60", "mrr", "hj75"):
        points = [n / 60 for n in at]
        assert evaluate(name, points, covered_s=covered_s) == evaluate(name, points)
