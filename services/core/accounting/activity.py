"""Activity times factor: from one unit of a meter's channel to kg of CO2 and CO2e.

What cannot be computed is refused with the reason (`fuel_amounts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from services.core.accounting.factors import Basis, Factor
from services.core.accounting.fuel_amounts import fuel_amount
from services.core.accounting.gwp import AR6, GwpSet
from services.core.accounting.units import MONEY, quantity_of

UK_VOLUME_CORRECTION = 1.02264
"""Metered to reference gas volume (15 degC, 1013.25 mbar) for an uncorrected meter in Great
Britain: Gas (Calculation of Thermal Energy) Regulations 1996 (SI 1996/439)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerUnit:
    """kg per one unit of the channel, with the factor they come from.

    `factor_units` is how many units of the factor one unit of the channel stands for. `notes`: what
    was taken for granted, a sentence each.
    """

    co2_kg: float
    co2e_kg: float
    co2_biogenic_kg: float
    factor_units: float
    factor: Factor
    notes: tuple[str, ...] = ()


def co2_per_unit(
    factor: Factor,
    channel_unit: str,
    *,
    calorific_value: float | None = None,
    calorific_basis: Basis = "gross",
    volume_correction: float = 1.0,
    density_kg_m3: float | None = None,
    gwp: GwpSet = AR6,
) -> PerUnit:
    """Masses of CO2 and CO2e, in kg, per unit of a channel that feeds this factor.

    `calorific_value`: MJ per m3 of gas *at the conditions of the channel's unit* (m3 as metered,
    Nm3, Sm3 or scf), on `calorific_basis`. `volume_correction` brings metered m3 to the conditions
    the calorific value is stated for, where the meter does not (`UK_VOLUME_CORRECTION`); a channel
    at reference conditions takes none. `density_kg_m3` of the fuel leads from volume to mass; it
    goes before the factor's own. Raises ConfigurationError, with the reason and the way out,
    for what cannot be computed, UnitError for an unknown unit.
    """
    amount = fuel_amount(
        factor,
        channel_unit,
        calorific_value=calorific_value,
        calorific_basis=calorific_basis,
        volume_correction=volume_correction,
        density_kg_m3=factor.density_kg_m3 if density_kg_m3 is None else density_kg_m3,
    )
    share = amount.factor_units
    by_money = (
        (f"{factor.id} is spend-based: {factor.unit} in prices of {factor.data_year}",)
        if quantity_of(factor.unit) == MONEY
        else ()
    )
    whole = (
        ()
        if factor.co2_kg is not None
        else (f"{factor.id} is published as CO2e only: it counts whole as CO2 too",)
    )
    return PerUnit(
        co2_kg=factor.counted_co2_kg * share,
        co2e_kg=factor.total_co2e_kg(gwp) * share,
        co2_biogenic_kg=factor.co2_biogenic_kg * share,
        factor_units=share,
        factor=factor,
        notes=(*by_money, *whole, *amount.notes),
    )
