"""What lies above a monitor's full scale never makes an hour's emission less than what was read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.closing import ClosingRule, Period
from services.core.accounting.stack.equations import equation_for
from services.core.accounting.stack.history import History, UnitHour
from services.core.accounting.stack.measured import StackInputs
from services.core.accounting.stack.recording import ChannelPoints, InputMinutes, OverScale
from services.core.accounting.stack.scales import Beyond, Scale, beyond
from services.core.accounting.stack.substitution import SUBSTITUTION
from services.core.accounting.stack.validity import VALIDITY
from services.core.accounting.units import conversion

YEAR = Period(first=0, end=8760, closed=False)


def rule(equation: str = "F-11", policy: str = "part75", **more: str) -> ClosingRule:
    chosen = equation_for(equation, **more)
    return ClosingRule(
        equation=chosen,
        inputs=StackInputs(
            conversions={item.name: conversion(item.unit, item.unit) for item in chosen.inputs}
        ),
        validity=VALIDITY[policy],
        substitution=SUBSTITUTION[policy],
        potential={"co2": Decimal("14.0")},
    )


def minutes(read: float | NDArray[np.float64], scale: Scale | None = None) -> InputMinutes:
    """An hour of one reading a minute, NaN: none, as it counts beside the scale."""
    value = np.broadcast_to(np.asarray(read, dtype=np.float64), (60,)).copy()
    counted = value if scale is None else scale.counted(value, _times(value))
    over = None
    if scale is not None and (value > scale.full_scale).any():
        known = value if scale.beyond is Beyond.NOTHING else counted
        over = OverScale(
            value=known,
            covered_us=_covered(known),
            over_us=_covered(scale.only_over(value, _times(value))),
        )
    return InputMinutes(
        value=counted,
        covered_us=_covered(counted),
        assured=np.ones(60, dtype=bool),
        excused=False,
        channels=(
            ChannelPoints(
                role="input",
                points_us=np.flatnonzero(~np.isnan(counted)) * 60_000_000,
                every_us=60_000_000,
            ),
        ),
        over=over,
    )


def _times(value: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.arange(value.size, dtype=np.int64) * 60_000_000


def _covered(value: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isnan(value), 0, 60_000_000).astype(np.int64)


FLOW = Scale(full_scale=3e6, beyond=Beyond.TWICE)
CO2_MRR = Scale(full_scale=20.0, beyond=Beyond.NOTHING)
PAST = [UnitHour(clock_hour=h, value=Decimal("8.0"), code="01") for h in range(5)]


@pytest.mark.vector
def test_a_flow_above_full_scale_is_twice_the_full_scale() -> None:
    recorded = rule().record(5, {"co2": minutes(10.5), "flow": minutes(3.5e6, FLOW)})
    assert recorded["flow"].valid
    figure = rule().figure(5, recorded, {}, YEAR)
    assert (figure.inputs["flow"].value, figure.inputs["flow"].code) == (Decimal(6_000_000), "20")
    assert (figure.rate.value, figure.code) == (Decimal("35.9"), "quadrants flow:20")
    assert figure.kg == pytest.approx(Decimal("32567.93"), abs=Decimal("0.01"))
    assert figure.quality == "measured"


@pytest.mark.vector
def test_a_concentration_above_full_scale_is_twice_the_full_scale() -> None:
    scale = Scale(full_scale=20.0, beyond=Beyond.TWICE)
    recorded = rule().record(5, {"co2": minutes(20.4, scale), "flow": minutes(1e6)})
    figure = rule().figure(5, recorded, {}, YEAR)
    assert (figure.rate.value, figure.code) == (Decimal("22.8"), "quadrants co2:20")


def test_minutes_above_full_scale_count_double_and_the_others_as_measured() -> None:
    read = np.full(60, 1e6)
    read[:15] = 3.5e6
    recorded = rule().record(5, {"co2": minutes(10.0), "flow": minutes(read, FLOW)})
    assert (recorded["flow"].average, recorded["flow"].code) == (Decimal(2_250_000), "20")
    assert "above its scale for 15 minutes" in recorded["flow"].verdict_reason


def test_a_reading_beyond_twice_the_full_scale_counts_as_read() -> None:
    value = np.array([1e6, 3e6, 3.1e6, 7e6])
    assert FLOW.counted(value, _times(value)).tolist() == [1e6, 3e6, 6e6, 7e6]


@pytest.mark.parametrize(
    ("kind", "counted", "known"),
    [
        (Beyond.TWICE, 6e6, 6e6),
        (Beyond.FULL, 3e6, 3e6),
        # of a refused value no more is known
        (Beyond.NOTHING, np.nan, 3e6),
    ],
)
def test_infinity_stands_for_a_value_that_was_refused_above_the_range(
    kind: Beyond, counted: float, known: float
) -> None:
    scale = Scale(full_scale=3e6, beyond=kind)
    value = np.array([1e6, np.inf, np.nan])
    assert np.array_equal(
        scale.counted(value, _times(value)), [1e6, counted, np.nan], equal_nan=True
    )
    assert np.array_equal(scale.known(value, _times(value)), [1e6, known, np.nan], equal_nan=True)
    assert np.isfinite(scale.only_over(value, _times(value))).tolist() == [False, True, False]


def test_a_substitute_is_never_below_what_was_read_above_full_scale() -> None:
    read = np.full(60, np.nan)
    read[:10] = 3.5e6
    recorded = rule().record(5, {"co2": minutes(10.0), "flow": minutes(read, FLOW)})
    assert not recorded["flow"].valid
    past = [UnitHour(clock_hour=h, value=Decimal(1_050_000), code="01") for h in range(5)]
    gap = [*past, UnitHour(clock_hour=5, value=None, code="")]
    figure = rule().figure(5, recorded, {"flow": History(gap)}, YEAR)
    assert (figure.inputs["flow"].value, figure.code) == (Decimal(6_000_000), "flow:20")
    assert figure.quality == "substituted"


def test_oxygen_above_full_scale_is_at_least_the_full_scale() -> None:
    chosen = rule("F-2", diluent="F-14A", fuel="natural-gas")
    scale = Scale(full_scale=10.0, beyond=Beyond.FULL)
    inputs = {"o2": minutes(10.8, scale), "flow": minutes(1e6), "h2o": minutes(10.0)}
    recorded = chosen.record(5, inputs)
    at_scale = chosen.record(5, {**inputs, "o2": minutes(10.0)})
    assert recorded["co2"].average == at_scale["co2"].average
    assert (recorded["co2"].code, recorded["co2"].valid) == ("20", True)
    figure = chosen.figure(5, recorded, {}, YEAR)
    assert figure.code == "quadrants co2:20"


def test_moisture_above_full_scale_is_filled_from_below() -> None:
    chosen = rule("F-2")
    scale = Scale(full_scale=20.0, beyond=Beyond.NOTHING)
    recorded = chosen.record(
        5, {"co2": minutes(12.0), "flow": minutes(1e6), "h2o": minutes(25.0, scale)}
    )
    gap = [*PAST, UnitHour(clock_hour=5, value=None, code="")]
    figure = chosen.figure(5, recorded, {"h2o": History(gap)}, YEAR)
    # 8 % of water leaves more gas than the 25 % that were read
    assert (figure.inputs["h2o"].value, figure.code) == (Decimal("8.0"), "h2o:07")


def test_under_mrr_what_is_above_full_scale_is_no_data_point() -> None:
    read = np.full(60, 15.0)
    read[:20] = 25.0
    recorded = rule(policy="mrr").record(5, {"co2": minutes(read, CO2_MRR), "flow": minutes(1e6)})
    assert (recorded["co2"].valid, recorded["co2"].verdict) == (False, "below-80-percent")
    past = [UnitHour(clock_hour=h, value=Decimal(15), code="01") for h in range(5)]
    gap = [*past, UnitHour(clock_hour=5, value=None, code="")]
    figure = rule(policy="mrr").figure(5, recorded, {"co2": History(gap)}, YEAR)
    # the mean plus two deviations is 15; a third of the hour read 25
    assert (figure.inputs["co2"].value, figure.code) == (Decimal("18.3"), "co2:as-read")


def test_under_mrr_a_valid_hour_is_never_below_what_was_read() -> None:
    read = np.full(60, 15.0)
    read[:10] = 25.0
    recorded = rule(policy="mrr").record(5, {"co2": minutes(read, CO2_MRR), "flow": minutes(1e6)})
    assert recorded["co2"].valid
    assert (recorded["co2"].average, recorded["co2"].code) == (Decimal("16.7"), "as-read")


def test_data_of_a_monitor_out_of_control_go_over_no_scale() -> None:
    whole = minutes(3.5e6, FLOW)
    out = replace(whole, assured=np.zeros(60, dtype=bool))
    recorded = rule().record(5, {"co2": minutes(10.0), "flow": out})
    assert (recorded["flow"].valid, recorded["flow"].least_known) == (False, None)


@pytest.mark.vector
@pytest.mark.parametrize("role", ["co2", "h2o"])
def test_a_negative_hour_of_a_concentration_or_moisture_is_zero_with_code_21(role: str) -> None:
    inputs = {"co2": minutes(12.0), "flow": minutes(1e6), "h2o": minutes(8.0)}
    recorded = rule("F-2").record(5, inputs | {role: minutes(-0.3)})
    assert (recorded[role].average, recorded[role].code) == (Decimal("0.0"), "21")
    figure = rule("F-2").figure(5, recorded, {}, YEAR)
    assert figure.code == f"quadrants {role}:21"


def test_a_negative_flow_has_no_code_and_is_substituted() -> None:
    recorded = rule().record(5, {"co2": minutes(12.0), "flow": minutes(-5000.0)})
    assert (recorded["flow"].valid, recorded["flow"].verdict) == (False, "negative")
    past = [UnitHour(clock_hour=h, value=Decimal(1_050_000), code="01") for h in range(5)]
    gap = [*past, UnitHour(clock_hour=5, value=None, code="")]
    figure = rule().figure(5, recorded, {"flow": History(gap)}, YEAR)
    assert (figure.inputs["flow"].value, figure.code) == (Decimal(1_050_000), "flow:07")


def test_a_bias_factor_multiplies_what_lies_above_full_scale_too() -> None:
    audit = Audit(ts_us=0, passed=True, bias_factor=Decimal("1.1"))
    biased = replace(rule(), audits={"flow": (audit,)})
    recorded = biased.record(5, {"co2": minutes(10.0), "flow": minutes(3.5e6, FLOW)})
    assert recorded["flow"].average == recorded["flow"].least_known == Decimal(6_600_000)


def test_codes_20_and_21_are_of_measured_hours_and_enter_a_look_back() -> None:
    past = [
        UnitHour(clock_hour=0, value=Decimal(10), code="01"),
        UnitHour(clock_hour=1, value=Decimal(40), code="20"),
        UnitHour(clock_hour=2, value=Decimal(0), code="21"),
        UnitHour(clock_hour=3, value=Decimal(14), code="12"),
    ]
    assert History(past).look_back(at_clock_hour=4, hours=720) == (
        Decimal(10), Decimal(40), Decimal(0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("role", "part75", "counts_as"),
    [
        ("co2", True, Beyond.TWICE),
        ("flow", True, Beyond.TWICE),
        ("heat_input", True, Beyond.TWICE),
        ("o2", True, Beyond.FULL),
        ("h2o", True, Beyond.NOTHING),
        ("co2", False, Beyond.NOTHING),
        ("flow", False, Beyond.NOTHING),
        # a hotter gas is less of it, a denser one more
        ("temperature", True, Beyond.FULL),
        ("temperature", False, Beyond.FULL),
        ("pressure", True, None),
    ],
)
def test_what_counts_is_what_makes_no_less_emission(
    role: str, part75: bool, counts_as: Beyond | None
) -> None:
    assert beyond(role, part75=part75) is counts_as


def test_a_full_scale_is_that_of_the_readings_time() -> None:
    scale = replace(FLOW, later=((60_000_000, 2e6), (120_000_000, 4e6)))
    value = np.array([3.1e6, 2.1e6, 3.1e6])
    assert scale.counted(value, _times(value)).tolist() == [6e6, 4e6, 3.1e6]
    assert scale.over(value, _times(value)).tolist() == [True, True, False]


def test_rounding_above_the_end_of_a_range_is_not_above_full_scale() -> None:
    scale = Scale(full_scale=20.0, beyond=Beyond.TWICE, noise=2e-5)
    value = np.array([20.00001, 20.001, np.inf])
    assert scale.counted(value, _times(value)).tolist() == [20.00001, 40.0, 40.0]
