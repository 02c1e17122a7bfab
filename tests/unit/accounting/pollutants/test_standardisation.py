from __future__ import annotations

import pytest

from services.core.accounting.pollutants.standardisation import (
    CONCENTRATION,
    GAS_PRESSURE,
    GAS_TEMPERATURE,
    OXYGEN,
    NotConvertibleError,
    Standardisation,
)
from services.core.accounting.pollutants.substances import SUBSTANCES, mg_nm3_per_ppm
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.measured import MOISTURE
from services.core.accounting.units import Conversion, conversion

_MG = conversion("mg/Nm3", "mg/Nm3")
_PERCENT = {name: conversion("%", "%") for name in (OXYGEN, MOISTURE)}


def standard(**stated: object) -> Standardisation:
    return Standardisation(
        **{  # type: ignore[arg-type]
            "to_mg": _MG,
            "basis": Basis.DRY,
            "reference_oxygen": 3.0,
            "conversions": _PERCENT,
            **stated,
        }
    )


@pytest.mark.vector
def test_150_mg_at_6_percent_oxygen_are_180_at_3() -> None:
    at = standard().standardise({CONCENTRATION: 150.0, OXYGEN: 6.0})
    assert (at.dry, at.factor, at.mean) == (150.0, 18 / 15, 180.0)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("oxygen", "reference", "expected"),
    [
        # 200 x (21 - 11) / (21 - 9): a waste incineration plant
        (9.0, 11.0, 200 * 10 / 12),
        # 50 x (21 - 15) / (21 - 13.5) = 40: a gas turbine below its reference
        (13.5, 15.0, 160.0),
        (3.0, 3.0, 200.0),
        (0.0, 6.0, 200 * 15 / 21),
    ],
)
def test_oxygen_leads_both_ways(oxygen: float, reference: float, expected: float) -> None:
    at = standard(reference_oxygen=reference).standardise({CONCENTRATION: 200.0, OXYGEN: oxygen})
    assert at.mean == pytest.approx(expected, rel=1e-12)


def test_where_there_is_less_oxygen_an_abated_pollutant_stays_as_it_is() -> None:
    abated = standard(reference_oxygen=11.0, above_reference_only=True)
    assert abated.standardise({CONCENTRATION: 200.0, OXYGEN: 9.0}).mean == 200.0
    assert abated.standardise({CONCENTRATION: 200.0, OXYGEN: 13.0}).mean == 200.0 * 10 / 8


@pytest.mark.parametrize("oxygen", [20.9, 20.95, 21.0, 25.0])
def test_air_has_no_concentration_at_a_reference(oxygen: float) -> None:
    with pytest.raises(NotConvertibleError, match="the gas is air") as error:
        standard().standardise({CONCENTRATION: 1.0, OXYGEN: oxygen})
    assert error.value.code == "air"
    # (21 - 3) / (21 - 20.8) = 90: just converted
    assert standard().standardise({CONCENTRATION: 1.0, OXYGEN: 20.8}).factor == pytest.approx(90)


def test_without_a_reference_oxygen_is_not_asked_for() -> None:
    free = standard(reference_oxygen=None)
    assert free.needs == (CONCENTRATION,)
    assert free.standardise({CONCENTRATION: 12.5}).mean == 12.5


@pytest.mark.vector
def test_wet_gas_is_dried_first() -> None:
    # 90 mg/Nm3 of wet gas with 10 % water are 100 of dry; at 6 % O2 120 at 3 %
    wet = standard(basis=Basis.WET)
    assert wet.needs == (CONCENTRATION, MOISTURE, OXYGEN)
    at = wet.standardise({CONCENTRATION: 90.0, MOISTURE: 10.0, OXYGEN: 6.0})
    assert at.as_measured == 90.0
    assert at.dry == pytest.approx(100.0)
    assert at.mean == pytest.approx(120.0)
    # 5.4 % O2 of wet gas with 10 % water are 6 % of dry
    both = standard(basis=Basis.WET, oxygen_basis=Basis.WET)
    assert both.standardise(
        {CONCENTRATION: 90.0, MOISTURE: 10.0, OXYGEN: 5.4}
    ).mean == pytest.approx(120.0)
    with pytest.raises(NotConvertibleError, match="no gas is left"):
        wet.standardise({CONCENTRATION: 90.0, MOISTURE: 100.0, OXYGEN: 6.0})


@pytest.mark.vector
def test_gas_as_it_is_comes_to_normal_conditions_by_temperature_and_pressure() -> None:
    hot = standard(
        to_mg=conversion("mg/m3", "mg/m3"),
        is_actual=True,
        reference_oxygen=None,
        conversions={
            GAS_TEMPERATURE: conversion("degC", "degC"),
            GAS_PRESSURE: conversion("hPa", "kPa"),
        },
    )
    # 50 mg in a cubic metre at 136.575 degC (1.5 x 273.15 K) and 1013.25 hPa are 75 mg/Nm3
    at = hot.standardise(
        hot.in_units({CONCENTRATION: 50.0, GAS_TEMPERATURE: 136.575, GAS_PRESSURE: 1013.25})
    )
    assert at.dry == pytest.approx(75.0, rel=1e-12)
    for temperature, pressure in ((-300.0, 1013.25), (20.0, 0.0)):
        with pytest.raises(NotConvertibleError, match="no conditions of a gas"):
            hot.standardise(
                {CONCENTRATION: 50.0, GAS_TEMPERATURE: temperature, GAS_PRESSURE: pressure}
            )


def test_below_zero_is_the_noise_of_a_monitor_at_zero() -> None:
    assert standard().standardise({CONCENTRATION: -0.4, OXYGEN: 6.0}).mean == 0.0


@pytest.mark.vector
@pytest.mark.parametrize(
    ("substance", "expected"),
    [
        # molar mass by 22.414 l: what authorities round to 2.05, 2.86 and 1.25
        ("nox", 46.0055 / 22.413969545),
        ("so2", 64.064 / 22.413969545),
        ("co", 28.0101 / 22.413969545),
    ],
)
def test_ppm_become_mg_by_the_molar_mass(substance: str, expected: float) -> None:
    g_mol = SUBSTANCES[substance].g_mol
    assert g_mol is not None
    assert mg_nm3_per_ppm(g_mol) == pytest.approx(expected, rel=1e-12)
    rounded = {"nox": 2.05, "so2": 2.86, "co": 1.25}
    assert round(mg_nm3_per_ppm(g_mol), 2) == rounded[substance]


def test_nitrogen_oxides_count_as_no2() -> None:
    to_mg = Conversion(from_unit="ppm", to_unit="mg/Nm3", scale=mg_nm3_per_ppm(46.0055), offset=0.0)
    at = standard(to_mg=to_mg).standardise({CONCENTRATION: 100.0, OXYGEN: 6.0})
    # 205.2537 mg/Nm3 x 18 / 15
    assert at.mean == pytest.approx(246.304, abs=0.001)
