"""Readings count by what is in force at their time: transformers replaced, functions renewed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.accounting.registers import RegisterConfig
from services.core.accounting.series import ChannelRule
from services.core.accounting.units import as_sent
from services.core.accounting.worth import Worth

MINUTE = 60_000_000
#: A change at minute 10, and one at minute 20.
CHANGE = 10 * MINUTE
AGAIN = 20 * MINUTE


def rule(
    *scales: float, unit: str = "kWh", offset: float | None = None, **more: Any
) -> ChannelRule:
    first, *later = (as_sent(unit, scale, offset) for scale in scales)
    return ChannelRule(
        unit=unit,
        as_sent=first,
        later=tuple(
            Worth(from_us=start, as_sent=sent)
            for start, sent in zip((CHANGE, AGAIN), later, strict=False)
        ),
        **more,
    )


def minutes(rule: ChannelRule, readings: dict[float, float], last: int = 29) -> Any:
    """Compute minutes from readings by the minute at which they were taken."""
    return rule.minutes(
        np.array([int(at * MINUTE) for at in readings], dtype=np.int64),
        np.array(list(readings.values()), dtype=np.float64),
        0,
        last,
    )


def test_a_gauge_holds_what_its_reading_was_worth() -> None:
    gauge = rule(2.0, 3.0, unit="kW", offset=1.0, kind="gauge", max_gap_us=5 * MINUTE)
    series = minutes(gauge, {8: 10.0, 9.5: 20.0, 10: 20.0, 12: 30.0})
    assert series.value[8:14].tolist() == [21.0, 31.0, 61.0, 61.0, 91.0, 91.0]
    # the last reading before a change holds into the time after it, worth what it was
    held = minutes(gauge, {9: 10.0}, last=13)
    assert held.value[9:14].tolist() == [21.0] * 5


def test_a_register_that_is_read_at_the_change_counts_each_side_by_its_scale() -> None:
    register = rule(40.0, 60.0, kind="counter", register=RegisterConfig())
    series = minutes(register, {0: 100.0, 10: 101.0, 20: 102.0})
    assert series.value[:10].sum() == pytest.approx(40)
    assert series.value[10:20].sum() == pytest.approx(60)
    assert series.estimated_us.sum() == 0


def test_what_a_register_counted_over_a_change_is_cut_there_by_time_and_estimated() -> None:
    register = rule(40.0, 60.0, kind="counter", register=RegisterConfig())
    series = minutes(register, {0: 100.0, 8: 100.8, 13: 101.3, 20: 102.0})
    # 0.5 shown in five minutes, two of them before the change
    assert series.value[8:10].sum() == pytest.approx(0.2 * 40)
    assert series.value[10:13].sum() == pytest.approx(0.3 * 60)
    assert series.value.sum() == pytest.approx(1.0 * 40 + 1.0 * 60)
    assert (series.estimated_us > 0).nonzero()[0].tolist() == [8, 9, 10, 11, 12]


def test_one_step_may_run_over_several_changes() -> None:
    register = rule(1.0, 10.0, 100.0, kind="counter", register=RegisterConfig())
    series = minutes(register, {5: 0.0, 25: 20.0})
    assert series.value[:10].sum() == pytest.approx(5)
    assert series.value[10:20].sum() == pytest.approx(100)
    assert series.value[20:].sum() == pytest.approx(500)
    assert series.covered_us.sum() == series.estimated_us.sum() == 20 * MINUTE


def test_a_step_in_a_window_is_the_same_as_in_all_of_it() -> None:
    register = rule(40.0, 60.0, kind="counter", register=RegisterConfig())
    readings = {float(m): m * 0.1 for m in range(0, 30, 3)}
    whole = minutes(register, readings)
    ts = np.array([int(at * MINUTE) for at in readings], dtype=np.int64)
    part = register.minutes(ts, np.array(list(readings.values())), 9, 11)
    assert part.value.tolist() == whole.value[9:12].tolist()


def test_max_rate_is_that_of_the_scale_in_force() -> None:
    # 4 kWh/h: 0.1 shown an hour before the change, 0.4 after it
    config = RegisterConfig(max_rate_per_h=0.1, later_rates=((CHANGE, 0.4),), resolution=1e-4)
    register = rule(40.0, 10.0, kind="counter", register=config)
    slow = minutes(register, {0: 0.0, 3: 0.005, 6: 0.025, 9: 0.030})
    assert slow.value.sum() == pytest.approx(0.4)  # the leap in between is not counted
    fast = minutes(register, {12: 0.0, 15: 0.005, 18: 0.025, 21: 0.030})
    assert fast.value.sum() == pytest.approx(0.3)


@pytest.mark.parametrize(("stamp", "at"), [("start", 5), ("end", 10)])
def test_an_interval_that_ends_at_the_change_counts_by_the_scale_before_it(
    stamp: Any, at: int
) -> None:
    interval = rule(40.0, 60.0, kind="interval", length_us=5 * MINUTE, stamp=stamp)
    series = minutes(interval, {at: 1.0, at + 5: 1.0})
    assert series.value[5:10].sum() == pytest.approx(40)
    assert series.value[10:15].sum() == pytest.approx(60)
    assert series.estimated_us.sum() == 0


def test_an_interval_over_a_change_is_cut_there() -> None:
    interval = rule(40.0, 60.0, kind="interval", length_us=15 * MINUTE, stamp="start")
    series = minutes(interval, {5: 3.0})
    assert series.value.sum() == pytest.approx(1.0 * 40 + 2.0 * 60)


def test_import_and_export_are_told_apart_by_the_sign_of_then() -> None:
    # a meter that was mounted the other way round until it was turned
    both = rule(-1.0, 1.0, unit="kW", kind="gauge", max_gap_us=MINUTE, part="import")
    series = minutes(both, {9: -5.0, 10: -5.0})
    assert series.value[9:11].tolist() == [5.0, 0.0]
    assert series.exported[9:11].tolist() == [0.0, 5.0]


def test_an_event_counts_by_its_time() -> None:
    event = rule(2.0, 3.0, unit="kg", kind="event", since_us=0)
    series = minutes(event, {9: 1.0, 10: 1.0})
    assert series.value[9:11].tolist() == [2.0, 3.0]


def test_what_a_channel_can_show_is_that_of_then() -> None:
    gauge = ChannelRule(
        kind="gauge",
        unit="kW",
        max_gap_us=MINUTE,
        least=0.0,
        greatest=10.0,
        later=(Worth(from_us=CHANGE, as_sent=None, least=0.0, greatest=20.0),),
    )
    series = minutes(gauge, {9: 15.0, 10: 15.0})
    assert np.isnan(series.value[9])
    assert series.value[10] == 15.0


def test_what_is_worth_one_thing_for_all_time_is_as_before_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    readings = {float(m) / 3: float(v) for m, v in enumerate(rng.uniform(0, 9, 60))}
    same = ChannelRule(kind="gauge", unit="kW", max_gap_us=MINUTE, as_sent=as_sent("kW", 0.1, 0.7))
    plain = ChannelRule(kind="gauge", unit="kW", max_gap_us=MINUTE)
    expected = minutes(plain, readings).value * 0.1 + 0.7
    assert np.array_equal(minutes(same, readings).value, expected, equal_nan=True)
