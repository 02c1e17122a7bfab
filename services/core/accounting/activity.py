"""Activity times factor: from one unit of a meter's channel to kg of CO2 and CO2e.

A factor per energy on a channel of volume needs the gas's calorific value, and gross and net must
not be mixed: for natural gas they differ by about a tenth. What cannot be computed is refused with
the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.core.accounting.factors import Basis, ConfigurationError, Factor
from services.core.accounting.gwp import AR6, GwpSet
from services.core.accounting.units import UnitError, convert, quantity_of, unit

UK_VOLUME_CORRECTION = 1.02264
"""Metered to reference gas volume (15 degC, 1013.25 mbar) for an uncorrected meter in Great
Britain: Gas (Calculation of Thermal Energy) Regulations 1996 (SI 1996/439)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerUnit:
    """kg per one unit of the channel, with the factor they come from.

    `factor_units` is how many units of the factor one unit of the channel stands for.
    """

    co2_kg: float
    co2e_kg: float
    co2_biogenic_kg: float
    factor_units: float
    factor: Factor


def co2_per_unit(
    factor: Factor,
    channel_unit: str,
    *,
    calorific_value: float | None = None,
    calorific_basis: Basis = "gross",
    volume_correction: float = 1.0,
    gwp: GwpSet = AR6,
) -> PerUnit:
    """Masses of CO2 and CO2e, in kg, per unit of a channel that feeds this factor.

    `calorific_value`: MJ per m3 of gas *at the conditions of the channel's unit* (m3 as metered,
    Nm3, Sm3 or scf), on `calorific_basis`. `volume_correction` brings metered m3 to the conditions
    the calorific value is stated for, where the meter does not (`UK_VOLUME_CORRECTION`); a channel
    at reference conditions takes none. Raises ConfigurationError, with the reason and the way out,
    for what cannot be computed, UnitError for an unknown unit.
    """
    share = _factor_units(
        factor,
        channel_unit,
        calorific_value=calorific_value,
        calorific_basis=calorific_basis,
        volume_correction=volume_correction,
    )
    return PerUnit(
        co2_kg=factor.counted_co2_kg * share,
        co2e_kg=factor.total_co2e_kg(gwp) * share,
        co2_biogenic_kg=factor.co2_biogenic_kg * share,
        factor_units=share,
        factor=factor,
    )


def _factor_units(
    factor: Factor,
    channel_unit: str,
    *,
    calorific_value: float | None,
    calorific_basis: Basis,
    volume_correction: float,
) -> float:
    channel, per = unit(channel_unit), unit(factor.unit)
    by_calorific_value = calorific_value is not None and channel.quantity != per.quantity
    if calorific_value is not None and not by_calorific_value:
        raise ConfigurationError(
            f"factor {factor.id!r} is per {factor.unit} and the channel in {channel_unit}: "
            "calorific_value would not be used, remove it"
        )
    if volume_correction != 1.0 and not by_calorific_value:
        raise ConfigurationError(
            f"volume_correction belongs to a calorific_value, which factor {factor.id!r} for a "
            f"channel in {channel_unit} does not use: remove it"
        )
    if channel.quantity == per.quantity:
        try:
            return convert(1.0, channel.symbol, per.symbol)
        except UnitError as error:
            raise ConfigurationError(f"factor {factor.id!r}: {error}") from None
    if per.quantity != "energy" or channel.quantity not in {"volume", "mass"}:
        raise ConfigurationError(
            f"factor {factor.id!r} is per {factor.unit}, the channel is in {channel_unit}: "
            f"{channel.quantity} cannot become {per.quantity}"
        )
    if calorific_value is not None:
        if channel.quantity != "volume":
            raise ConfigurationError(
                f"calorific_value is in MJ/m3, the channel in {channel_unit} is no volume"
            )
        return _by_calorific_value(
            factor, channel_unit, calorific_value, calorific_basis, volume_correction
        )
    return _by_heat_content(factor, channel_unit)


def _by_calorific_value(
    factor: Factor, channel_unit: str, value: float, basis: Basis, correction: float
) -> float:
    if not value > 0:
        raise ConfigurationError(f"calorific_value must be above zero, not {value:g} MJ/m3")
    if not correction > 0:
        raise ConfigurationError(f"volume_correction must be above zero, not {correction:g}")
    if factor.basis not in {"gross", "net"}:
        raise ConfigurationError(
            f"factor {factor.id!r} per {factor.unit} does not say whether it is on gross or net "
            "calorific value"
        )
    if factor.basis != basis:
        raise ConfigurationError(
            f"factor {factor.id!r} is on {factor.basis} calorific value, the calorific_value is "
            f"{basis}: use a factor on {basis} calorific value, they differ by about 10 %"
        )
    channel = unit(channel_unit)
    if channel.state == "reference" and correction != 1.0:
        raise ConfigurationError(
            f"a channel in {channel_unit} is at reference conditions: it takes no volume_correction"
        )
    return _own_cubic_metres(channel_unit) * correction * convert(value, "MJ", factor.unit)


def _own_cubic_metres(channel_unit: str) -> float:
    """Cubic metres in one unit, without changing its reference conditions."""
    channel = unit(channel_unit)
    if channel.state == "actual":
        return convert(1.0, channel_unit, "m3")
    for base in ("Nm3", "Sm3"):
        if channel.source == unit(base).source:
            return convert(1.0, channel_unit, base)
    return float(channel.scale / unit("scf").scale) * convert(1.0, "ft3", "m3")


def _by_heat_content(factor: Factor, channel_unit: str) -> float:
    content = factor.heat_content
    if content is not None and quantity_of(content.unit) == quantity_of(channel_unit):
        try:
            amount = convert(1.0, channel_unit, content.unit)
        except UnitError as error:
            raise ConfigurationError(
                f"factor {factor.id!r} per {factor.unit} for a channel in {channel_unit} needs its "
                f"calorific_value in MJ/m3 ({error})"
            ) from None
        return amount * convert(content.mj, "MJ", factor.unit)
    if quantity_of(channel_unit) == "volume":
        raise ConfigurationError(
            f"factor {factor.id!r} is per {factor.unit}, the channel is in {channel_unit}: "
            "give the source its calorific_value in MJ/m3"
        )
    raise ConfigurationError(
        f"factor {factor.id!r} is per {factor.unit}, the channel is in {channel_unit}, and its "
        "heat content is not known: use a factor per mass"
    )
