"""Gas volumes: from the conditions it flows at to reference conditions, and to mass.

The ideal gas law, 101.325 kPa; temperatures in degC and pressures in kPa absolute, as meters and
analysers report them. `compressibility` is Z_reference / Z_actual where a meter's approval gives
it; at stack and low-pressure conditions it is 1 to four digits.
"""

from __future__ import annotations

from services.core.accounting.factors import ConfigurationError

NORMAL_C = 0.0
STANDARD_15_C = 15.0
SCF_C = 20.0
REFERENCE_KPA = 101.325
_ZERO_C_IN_K = 273.15

MOLAR_VOLUME_L = 22.413969545
"""Litres of an ideal gas per mole at 0 degC and 101.325 kPa (CODATA 2018)."""

CO2_G_MOL = 44.0095
"""Molar mass of CO2 as the NIST Chemistry WebBook lists it."""


def actual_to_normal(
    volume_m3: float,
    *,
    temperature_c: float,
    pressure_kpa: float,
    reference_c: float = NORMAL_C,
    compressibility: float = 1.0,
) -> float:
    """Volume at reference conditions (Nm3 unless `reference_c` says otherwise) of m3 as it flowed.

    V_n = V * (T_n / T) * (p / p_n) * Z_n / Z; ConfigurationError below absolute zero or without
    pressure.
    """
    return (
        volume_m3
        * ((_ZERO_C_IN_K + reference_c) / _kelvin(temperature_c))
        * (_absolute(pressure_kpa) / REFERENCE_KPA)
        * compressibility
    )


def normal_to_actual(
    volume_nm3: float,
    *,
    temperature_c: float,
    pressure_kpa: float,
    reference_c: float = NORMAL_C,
    compressibility: float = 1.0,
) -> float:
    """Invert `actual_to_normal`."""
    return volume_nm3 / actual_to_normal(
        1.0,
        temperature_c=temperature_c,
        pressure_kpa=pressure_kpa,
        reference_c=reference_c,
        compressibility=compressibility,
    )


def mass_concentration_g_nm3(fraction: float, molar_mass_g_mol: float = CO2_G_MOL) -> float:
    """Grams per Nm3 of an ideal gas that makes up `fraction` (0 to 1) of the volume."""
    return fraction * molar_mass_g_mol / MOLAR_VOLUME_L * 1000


def _kelvin(temperature_c: float) -> float:
    kelvin = _ZERO_C_IN_K + temperature_c
    if not kelvin > 0:
        raise ConfigurationError(f"{temperature_c:g} degC is below absolute zero")
    return kelvin


def _absolute(pressure_kpa: float) -> float:
    if not pressure_kpa > 0:
        raise ConfigurationError(f"{pressure_kpa:g} kPa is no absolute pressure")
    return pressure_kpa
