"""Wet and dry, reference oxygen, actual and normal conditions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.corrections import (
    actual_to_normal_flow,
    concentration_dry_to_wet,
    concentration_wet_to_dry,
    flow_wet_to_dry,
    to_reference_oxygen,
)
from services.core.accounting.stack.equations import EQUATIONS


@pytest.mark.vector
@pytest.mark.parametrize(
    ("measured", "converted"), [(8.764, 14.387), (9.933, 16.307), (86.131, 141.392)]
)
def test_converted_values_of_a_field_message(measured: float, converted: float) -> None:
    # One HJ 212 message gives both; 13.893 % O2, excess air coefficient 1.8 = 21 / (21 - O2).
    reference = 21 - 21 / 1.8
    assert to_reference_oxygen(measured, 13.893, reference) == pytest.approx(converted, abs=0.002)


@given(st.floats(0, 1e6), st.floats(0, 90))
def test_wet_and_dry_undo_each_other(value: float, h2o: float) -> None:
    there = concentration_wet_to_dry(value, h2o)
    assert concentration_dry_to_wet(there, h2o) == pytest.approx(value, rel=1e-12)


@given(st.floats(0, 20), st.floats(0, 1e9), st.floats(0, 60))
def test_correcting_the_concentration_first_gives_what_f_2_gives(
    co2_dry: float, flow: float, h2o: float
) -> None:
    by_f_2 = EQUATIONS["F-2"].rate_kg_h({"co2": co2_dry, "flow": flow, "h2o": h2o})
    wet = concentration_dry_to_wet(co2_dry, h2o)
    assert EQUATIONS["F-11"].rate_kg_h({"co2": wet, "flow": flow}) == pytest.approx(
        float(by_f_2), rel=1e-12
    )
    by_dry_flow = EQUATIONS["F-11"].rate_kg_h({"co2": co2_dry, "flow": flow_wet_to_dry(flow, h2o)})
    assert by_dry_flow == pytest.approx(float(by_f_2), rel=1e-12)


def test_at_the_reference_nothing_changes() -> None:
    assert to_reference_oxygen(50.0, 6.0, 6.0) == 50.0
    assert actual_to_normal_flow(50.0, temperature_c=0.0, pressure_kpa=101.325) == 50.0


def test_hot_gas_under_low_pressure_is_less_gas() -> None:
    normal = actual_to_normal_flow(600_000.0, temperature_c=120.0, pressure_kpa=100.825)
    assert normal == pytest.approx(600_000 * 273.15 / 393.15 * 100.825 / 101.325)
    assert normal < 600_000


@pytest.mark.vector
def test_the_dry_flow_of_a_chinese_stack() -> None:
    # HJ 75-2017 writes 273 for 273.15: 381 558 m3/h, 0.017 % less
    normal = actual_to_normal_flow(600_000.0, temperature_c=120.0, pressure_kpa=100.825)
    dry = flow_wet_to_dry(normal, 8.0)
    assert round(float(dry), 1) == 381_622.2
    by_hj_75 = 600_000 * 273 / (273 + 120) * (101_325 - 500) / 101_325 * (1 - 0.08)
    assert round(by_hj_75) == 381_558
    assert dry == pytest.approx(by_hj_75, rel=1.7e-4)


def test_missing_stays_missing() -> None:
    values = np.array([1.0, math.nan])
    assert np.isnan(np.asarray(concentration_wet_to_dry(values, 8.0))).tolist() == [False, True]
    assert math.isnan(float(actual_to_normal_flow(1.0, temperature_c=math.nan, pressure_kpa=1.0)))
