from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.gas import (
    SCF_C,
    STANDARD_15_C,
    actual_to_normal,
    mass_concentration_g_nm3,
    normal_to_actual,
)
from services.core.accounting.units import convert


@pytest.mark.vector
@pytest.mark.parametrize(
    ("volume", "temperature", "pressure", "expected"),
    [
        (1.0, 0.0, 101.325, "1.000000"),
        (1.0, 15.0, 101.325, "0.947944"),
        (1.0, 20.0, 101.325, "0.931776"),
        (0.028316846592, 20.0, 101.325, "0.026385"),
        (1000.0, 150.0, 98.0, "624.333046"),
    ],
)
def test_actual_to_normal(
    volume: float, temperature: float, pressure: float, expected: str
) -> None:
    got = actual_to_normal(volume, temperature_c=temperature, pressure_kpa=pressure)
    assert round(Decimal(got), 6) == Decimal(expected)


@pytest.mark.vector
def test_carbon_dioxide_at_normal_conditions() -> None:
    assert round(mass_concentration_g_nm3(1.0) / 1000, 6) == 1.963485


def test_reference_states_agree_with_the_units() -> None:
    for reference_c, name in ((STANDARD_15_C, "Sm3"), (SCF_C, "scf")):
        cubic_metres = actual_to_normal(
            1.0, temperature_c=0.0, pressure_kpa=101.325, reference_c=reference_c
        )
        per_unit = 1.0 if name == "Sm3" else 0.028316846592
        assert cubic_metres / per_unit == pytest.approx(convert(1.0, "Nm3", name), rel=1e-14)


@given(st.floats(0, 1e6), st.floats(-50, 500), st.floats(1, 500), st.floats(0.9, 1.1))
def test_there_and_back_again(volume: float, temperature: float, pressure: float, z: float) -> None:
    there = actual_to_normal(
        volume, temperature_c=temperature, pressure_kpa=pressure, compressibility=z
    )
    back = normal_to_actual(
        there, temperature_c=temperature, pressure_kpa=pressure, compressibility=z
    )
    assert back == pytest.approx(volume, rel=1e-12)


def test_impossible_conditions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="absolute zero"):
        actual_to_normal(1.0, temperature_c=-300.0, pressure_kpa=101.325)
    with pytest.raises(ConfigurationError, match="absolute pressure"):
        actual_to_normal(1.0, temperature_c=20.0, pressure_kpa=0.0)
