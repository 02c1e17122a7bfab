"""Amounts of fuel: from one unit of a meter's channel to units of a factor.

A factor per energy on a channel of volume needs the gas's calorific value, and gross and net must
not be mixed: for natural gas they differ by about a tenth. Where a source states none, the heat
content that the publisher has for the fuel is taken, and that is said. Volume and mass lead to each
other by the density of the fuel.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.core.accounting.factors import Basis, ConfigurationError, Factor
from services.core.accounting.units import UnitError, convert, quantity_of, unit

#: Meters of energy and bills do not say it, and the difference is more than that of most fuels.
_NET = (
    "{} is on net calorific value: energy by gross calorific value, as gas is billed, is about 10 %"
    " more (5 % of liquid and solid fuels), and needs a factor on gross"
)

#: No gas as it flows has so much heat, and no liquid fuel so little.
_LEAST_LIQUID_MJ_M3 = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelAmount:
    """Units of a factor in one unit of a channel, and what was taken for granted."""

    factor_units: float
    notes: tuple[str, ...] = ()


def fuel_amount(
    factor: Factor,
    channel_unit: str,
    *,
    calorific_value: float | None,
    calorific_basis: Basis,
    volume_correction: float,
    density_kg_m3: float | None,
) -> FuelAmount:
    """Return how many units of a factor one unit of a channel is.

    :raises ConfigurationError: it cannot be told; the message says why, and the way out.
    """
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
            share = convert(1.0, channel.symbol, per.symbol)
        except UnitError as error:
            raise ConfigurationError(f"factor {factor.id!r}: {error}") from None
        by_net = channel.quantity == "energy" and factor.basis == "net"
        return FuelAmount(factor_units=share, notes=(_NET.format(factor.id),) if by_net else ())
    if {channel.quantity, per.quantity} == {"volume", "mass"}:
        return _by_density(factor, channel_unit, factor.unit, density_kg_m3)
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
        return FuelAmount(
            factor_units=_by_calorific_value(
                factor, channel_unit, calorific_value, calorific_basis, volume_correction
            )
        )
    return _by_heat_content(factor, channel_unit, density_kg_m3)


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


def _by_heat_content(factor: Factor, channel_unit: str, density_kg_m3: float | None) -> FuelAmount:
    content = factor.heat_content
    if content is None:
        raise ConfigurationError(
            f"factor {factor.id!r} is per {factor.unit}, the channel is in {channel_unit}: "
            + (
                "give the source its calorific_value in MJ/m3"
                if quantity_of(channel_unit) == "volume"
                else "its heat content is not known: use a factor per mass"
            )
        )
    heat = convert(content.mj, "MJ", factor.unit)
    if quantity_of(content.unit) != quantity_of(channel_unit):
        amount = _by_density(factor, channel_unit, content.unit, density_kg_m3)
        return FuelAmount(factor_units=amount.factor_units * heat, notes=amount.notes)
    mj_per_m3 = None
    if quantity_of(channel_unit) == "volume":
        mj_per_m3 = content.mj / _own_cubic_metres(content.unit)
    is_liquid = mj_per_m3 is not None and mj_per_m3 > _LEAST_LIQUID_MJ_M3
    if is_liquid and unit(channel_unit).state == "reference":
        raise ConfigurationError(
            f"factor {factor.id!r} has the heat content of a liquid, per {content.unit}, and the"
            f" channel is gas in {channel_unit}: give the source the calorific_value of the gas in"
            " MJ/m3, or measure the mass"
        )
    try:
        amount = FuelAmount(factor_units=convert(1.0, channel_unit, content.unit) * heat)
    except UnitError:
        # gas as it flows: no more is known than the publisher's default
        assert mj_per_m3 is not None  # noqa: S101 - only a volume has a state
        note = (
            f"{factor.id} in {channel_unit} counts with {mj_per_m3:.4g} MJ/m3, the default of"
            f" {content.citation.split(',')[0]} for {content.unit}; the supplier's calorific_value"
            " and volume_correction are better"
        )
        return FuelAmount(
            factor_units=_own_cubic_metres(channel_unit) * convert(mj_per_m3, "MJ", factor.unit),
            notes=(note,),
        )
    if is_liquid and unit(channel_unit).symbol == "m3":
        note = (
            f"{factor.id} in m3 counts as a liquid, {mj_per_m3:,.0f} MJ/m3; if it is gas, give the"
            " source its calorific_value in MJ/m3"
        )
        return FuelAmount(factor_units=amount.factor_units, notes=(note,))
    return amount


def _by_density(
    factor: Factor, channel_unit: str, target_unit: str, density_kg_m3: float | None
) -> FuelAmount:
    """Return how many `target_unit` one unit of the channel is, from volume to mass or back."""
    if density_kg_m3 is None:
        stated = (
            f"is by {target_unit}"
            if target_unit == factor.unit
            else f"is by {factor.unit}, with its heat content per {target_unit}"
        )
        raise ConfigurationError(
            f"factor {factor.id!r} {stated}, the channel is in {channel_unit}: give the"
            " source the density of its fuel in kg/m3"
            + (
                ", or its calorific_value in MJ/m3"
                if quantity_of(channel_unit) == "volume" and factor.basis == "gross"
                else ""
            )
        )
    if not density_kg_m3 > 0:
        raise ConfigurationError(f"density must be above zero, not {density_kg_m3:g} kg/m3")
    note = f"{density_kg_m3:g} kg/m3 leads from {channel_unit} to {target_unit} of {factor.id}"
    if quantity_of(channel_unit) == "volume":
        kg = _own_cubic_metres(channel_unit) * density_kg_m3
        return FuelAmount(factor_units=kg * convert(1.0, "kg", target_unit), notes=(note,))
    cubic_metres = convert(1.0, channel_unit, "kg") / density_kg_m3
    return FuelAmount(factor_units=cubic_metres / _own_cubic_metres(target_unit), notes=(note,))
