"""When an hour is valid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.validity import NOT_OPERATING, VALIDITY, HourOfReadings, Verdict

MINUTE = 60.0


def judge(
    policy: str,
    points_min: list[float],
    *,
    possible: int = 60,
    covered_min: float | None = None,
    operating_min: list[tuple[float, float]] | None = None,
    excused: bool = False,
) -> Verdict:
    spans = [(0.0, 60.0)] if operating_min is None else operating_min
    return VALIDITY[policy].evaluate(
        HourOfReadings(
            points_s=tuple(minute * MINUTE for minute in points_min),
            covered_s=(len(points_min) if covered_min is None else covered_min) * MINUTE,
            possible=possible,
            operating=tuple((since * MINUTE, until * MINUTE) for since, until in spans),
            excused=excused,
        )
    )


QUADRANT_RULES = pytest.mark.parametrize("policy", ["part75", "part60"])


@QUADRANT_RULES
@pytest.mark.vector
def test_one_point_in_each_quadrant_is_enough(policy: str) -> None:
    assert judge(policy, [7, 22, 37, 52]).valid


@QUADRANT_RULES
@pytest.mark.vector
def test_45_points_in_three_quadrants_are_not(policy: str) -> None:
    verdict = judge(policy, list(range(45)))
    assert not verdict.valid
    assert "quadrant 4" in verdict.reason


@QUADRANT_RULES
@pytest.mark.vector
def test_two_points_15_minutes_apart_are_enough_in_a_calibration_hour(policy: str) -> None:
    assert judge(policy, [10, 25], excused=True).valid
    assert not judge(policy, [10, 24], excused=True).valid
    assert not judge(policy, [10, 25], excused=False).valid


@QUADRANT_RULES
@pytest.mark.vector
def test_an_hour_with_one_quadrant_of_operation_needs_one_point(policy: str) -> None:
    assert judge(policy, [5], operating_min=[(0, 14)]).valid
    assert not judge(policy, [], operating_min=[(0, 14)], excused=True).valid


@QUADRANT_RULES
def test_only_quadrants_of_operation_count(policy: str) -> None:
    assert judge(policy, [5, 50], operating_min=[(0, 10), (46, 60)]).valid
    assert not judge(policy, [5], operating_min=[(0, 10), (46, 60)]).valid


@QUADRANT_RULES
def test_the_first_second_of_a_quadrant_belongs_to_it(policy: str) -> None:
    assert judge(policy, [0, 15, 30, 45]).valid
    assert judge(policy, [0, 15, 30], operating_min=[(0, 45)]).valid


@pytest.mark.parametrize("policy", ["part75", "part60", "mrr", "hj75"])
def test_an_hour_without_operation_is_neither_valid_nor_substituted(policy: str) -> None:
    verdict = judge(policy, [], operating_min=[])
    assert (verdict.valid, verdict.code, verdict.substitute) == (False, NOT_OPERATING, False)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("had", "possible", "valid"), [(48, 60, True), (47, 60, False), (4, 5, True), (3, 4, False)]
)
def test_mrr_needs_four_fifths_of_the_possible_points(had: int, possible: int, valid: bool) -> None:
    verdict = judge("mrr", list(range(had)), possible=possible)
    assert verdict.valid is valid
    assert verdict.substitute is not valid


def test_45_minutes_of_data() -> None:
    assert judge("hj75", [1], covered_min=45).valid
    assert not judge("hj75", [1], covered_min=44.9).valid


def test_the_rules_differ_on_the_same_hour() -> None:
    # 45 minutes in three quadrants: Part 75 says no, 45 minutes say yes, 80 % say no.
    points = [float(minute) for minute in range(45)]
    verdicts = {name: judge(name, points).valid for name in VALIDITY}
    assert verdicts == {"part75": False, "part60": False, "mrr": False, "hj75": True, "none": True}


def test_no_rule_still_needs_data() -> None:
    assert judge("none", [3]).valid
    assert judge("none", []).substitute


def test_an_hour_of_minutes() -> None:
    covered = [60.0] * 15 + [0.0] * 30 + [30.0] * 15
    running = [True] * 15 + [False] * 30 + [True] * 15
    hour = HourOfReadings.of_minutes(covered, operating_minutes=running)
    assert (len(hour.points_s), hour.possible, hour.covered_s) == (30, 30, 1350.0)
    assert VALIDITY["part75"].evaluate(hour).valid
    assert VALIDITY["mrr"].evaluate(hour).valid
    assert not VALIDITY["part75"].evaluate(HourOfReadings.of_minutes(covered)).valid
    with pytest.raises(ValueError, match="60 minutes"):
        HourOfReadings.of_minutes([60.0] * 59)


@given(st.sets(st.integers(0, 59)), st.integers(0, 59), st.booleans())
def test_more_data_never_make_an_hour_invalid(minutes: set[int], more: int, excused: bool) -> None:
    for name in VALIDITY:
        before = judge(name, sorted(minutes), excused=excused).valid
        after = judge(name, sorted(minutes | {more}), excused=excused).valid
        assert after or not before
