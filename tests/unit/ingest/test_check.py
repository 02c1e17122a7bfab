from __future__ import annotations

import math
from dataclasses import replace

import pytest

from services.ingest.check import CheckError, check_time, checked_value
from services.ingest.decode.observation import QUALITY, Observation
from services.ingest.quarantine.reasons import Reason
from services.ingest.target import Target


def target(*, unit: str = "kWh", lowest: float = -math.inf, highest: float = math.inf) -> Target:
    return Target(facility_id=1, channel_id=1, slug="a", unit=unit, lowest=lowest, highest=highest)


def observed(value: float | None, unit: str | None = None, quality: str = "good") -> Observation:
    return Observation("a", 0, value, unit, QUALITY[quality])


def refused(observation: Observation, where: Target) -> Reason:
    with pytest.raises(CheckError) as caught:
        checked_value(observation, where)
    return caught.value.reason


def test_a_value_in_the_channels_unit_is_kept_to_the_bit() -> None:
    assert checked_value(observed(0.1 + 0.2), target()) == 0.1 + 0.2
    assert checked_value(observed(0.1 + 0.2, "kWh"), target()) == 0.1 + 0.2


def test_another_unit_is_converted() -> None:
    assert checked_value(observed(2500.0, "Wh"), target()) == 2.5
    assert checked_value(observed(20.0, "degC"), target(unit="K")) == pytest.approx(293.15)


def test_the_range_is_that_of_the_channels_unit_with_both_ends() -> None:
    limited = target(unit="%", lowest=0, highest=25)
    assert checked_value(observed(25.0), limited) == 25.0
    assert checked_value(observed(0.0), limited) == 0.0
    assert checked_value(observed(0.2, "fraction"), limited) == 20.0
    assert refused(observed(25.01), limited) is Reason.OUT_OF_RANGE
    assert refused(observed(-0.01), limited) is Reason.OUT_OF_RANGE
    assert refused(observed(26.0, quality="uncertain"), limited) is Reason.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("value", "is_over_range"), [(-0.1, False), (25.1, True), (50.0, True), (50.1, False)]
)
def test_what_lies_a_little_above_the_range_went_over_it(value: float, is_over_range: bool) -> None:
    limited = replace(target(unit="%", lowest=0, highest=25), over_range=(25.0, 50.0))
    with pytest.raises(CheckError) as caught:
        checked_value(observed(value), limited)
    assert caught.value.is_over_range is is_over_range


@pytest.mark.parametrize("quality", ["bad", "calibration", "maintenance"])
def test_a_value_that_does_not_count_may_be_impossible(quality: str) -> None:
    assert checked_value(observed(99.0, quality=quality), target(highest=25)) == 99.0


def test_a_gap_has_no_range_and_no_unit() -> None:
    assert checked_value(observed(None, "furlong"), target(highest=-1)) is None


@pytest.mark.parametrize("unit", ["m3", "furlong", "", "k" * 100_000])
def test_a_unit_of_something_else_is_refused(unit: str) -> None:
    assert refused(observed(1.0, unit), target()) is Reason.UNIT_NOT_CONVERTIBLE


def test_a_value_that_overflows_in_the_channels_unit_is_not_finite() -> None:
    assert refused(observed(1e308, "TWh"), target(unit="J")) is Reason.NOT_FINITE


def test_times_within_the_bounds_pass_and_others_do_not() -> None:
    check_time(10, oldest_us=10, newest_us=20)
    check_time(20, oldest_us=10, newest_us=20)
    for ts_us in (9, 21, -(10**30), 10**30):
        with pytest.raises(CheckError) as caught:
            check_time(ts_us, oldest_us=10, newest_us=20)
        assert caught.value.reason is Reason.ABSURD_TIME
