"""Corrections of a gas reading: water vapour, reference oxygen, temperature and pressure.

All take and give floats or arrays; NaN stays NaN.
"""

from __future__ import annotations

from services.core.accounting.stack.numeric import Numeric

NORMAL_K = 273.15
"""Temperature of normal conditions (0 degC), K (DIN 1343)."""

NORMAL_KPA = 101.325
"""Pressure of normal conditions, kPa (DIN 1343)."""

OXYGEN_IN_AIR_EPA = 20.9
"""Oxygen in dry air as the US rules count it, % (40 CFR 75 App. F)."""

OXYGEN_IN_AIR_EU = 21.0
"""Oxygen in dry air as European and Chinese rules count it, % (Directive 2010/75/EU Annex VI)."""


def concentration_wet_to_dry(wet: Numeric, h2o_percent: Numeric) -> Numeric:
    """Return a concentration of dry gas from that of wet gas."""
    return wet * 100 / (100 - h2o_percent)


def concentration_dry_to_wet(dry: Numeric, h2o_percent: Numeric) -> Numeric:
    """Return a concentration of wet gas from that of dry gas."""
    return dry * (100 - h2o_percent) / 100


def flow_wet_to_dry(wet: Numeric, h2o_percent: Numeric) -> Numeric:
    """Return the flow of dry gas in that of wet gas, same unit."""
    return wet * (100 - h2o_percent) / 100


def to_reference_oxygen(
    concentration: Numeric,
    o2_percent: Numeric,
    reference_percent: float,
    *,
    oxygen_in_air_percent: float = OXYGEN_IN_AIR_EU,
) -> Numeric:
    """Return a dry concentration as if diluted to the reference oxygen content, same unit.

    C_ref = C * (air - reference) / (air - measured), Directive 2010/75/EU Annex VI part 7.
    """
    air = oxygen_in_air_percent
    return concentration * (air - reference_percent) / (air - o2_percent)


def actual_to_normal_flow(
    actual_m3_h: Numeric, *, temperature_c: Numeric, pressure_kpa: Numeric
) -> Numeric:
    """Return Nm3/h (0 degC, 101.325 kPa) from m3/h as it flows, by the ideal gas law.

    `pressure_kpa` is absolute: barometric pressure plus the (often negative) static pressure.
    """
    return actual_m3_h * (NORMAL_K / (NORMAL_K + temperature_c)) * (pressure_kpa / NORMAL_KPA)
