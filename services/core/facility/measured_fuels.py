"""From what a facility file says is measured of a fuel to how its gases are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.core.accounting.activity import PerUnit
from services.core.accounting.factors import ConfigurationError, Factor
from services.core.accounting.fuel_equations import (
    CARBON_IN_GALLON,
    CARBON_SHARE,
    FUEL_EQUATIONS,
    HEAT_CONTENT,
    MOLECULAR_WEIGHT,
    Measured,
)
from services.core.accounting.measured_fuel import MeasuredFuel
from services.core.accounting.units import Conversion, UnitError, conversion, convert, unit
from services.core.facility.channels import A_KIND, Channel
from services.core.facility.sources import ActivitySource

#: The units that equations take.
_UNITS: Final[Mapping[Measured, str]] = {
    CARBON_SHARE: "1",
    CARBON_IN_GALLON: "kg/gal",
    MOLECULAR_WEIGHT: "kg/kmol",
}
#: What a heat content is by, and what then meters the fuel.
_METERED: Final = {"energy_per_volume": "volume", "energy_per_mass": "mass"}


def measured_fuel(
    source: ActivitySource, channels: Mapping[str, Channel], activity_unit: str
) -> MeasuredFuel:
    """Return what computes the gases of a fuel that is measured; ``channels`` by role.

    :raises ConfigurationError: it cannot be computed, with the reason and the way out.
    """
    assert source.analysis is not None  # noqa: S101 - asked for sources that have one
    equation = FUEL_EQUATIONS[source.analysis.equation]
    if source.calorific_value is not None:
        raise ConfigurationError("calorific_value is not used beside an analysis: remove it")
    conversions = []
    for finding in equation.takes:
        channel = channels.get(finding.name)
        if channel is None:
            continue
        if channel.kind != "gauge":
            raise ConfigurationError(
                f"{finding.name}: {channel.id} is {A_KIND[channel.kind]}; what a fuel is like holds"
                " until it is measured again: give it kind: gauge and a max_gap, such as 31d for a"
                " laboratory's monthly figure"
            )
        try:
            converted = (
                _heat(channel, activity_unit)
                if finding == HEAT_CONTENT
                else conversion(channel.unit, _UNITS[finding])
            )
        except UnitError as error:
            raise ConfigurationError(f"{finding.name}: {error}") from None
        conversions.append((finding.name, converted))
    return MeasuredFuel(
        equation=equation,
        conversions=tuple(conversions),
        fuel_units=1.0 if equation.unit is None else _fuel(activity_unit, equation.unit),
    )


def _fuel(activity_unit: str, equation_unit: str) -> float:
    try:
        return convert(1.0, activity_unit, equation_unit)
    except UnitError as error:
        raise ConfigurationError(
            f"the equation takes the fuel by {equation_unit}: {error}"
        ) from None


def _heat(channel: Channel, activity_unit: str) -> Conversion:
    """Return what turns the channel's heat content into mmBtu per unit of activity."""
    heat, fuel = unit(channel.unit), unit(activity_unit)
    if _METERED.get(heat.quantity) != fuel.quantity:
        raise UnitError(
            f"{channel.id} is {heat.quantity} in {channel.unit}, and the fuel is metered in"
            f" {activity_unit}: use one by {fuel.quantity}"
        )
    if heat.state != fuel.state:
        raise UnitError(
            f"{channel.id} in {channel.unit} and the fuel in {activity_unit} are not at the same"
            " conditions: one is gas as it flows, the other at reference conditions"
        )
    return Conversion(
        from_unit=channel.unit,
        to_unit=f"mmBtu/{activity_unit}",
        scale=float(heat.scale * fuel.scale / unit("mmBtu").scale),
        offset=0.0,
    )


def default_heat(factor: Factor, per_unit: PerUnit) -> float:
    """Return the mmBtu that a factor takes one unit of activity for.

    :raises ConfigurationError: it is not by gross energy.
    """
    if unit(factor.unit).quantity != "energy" or factor.basis != "gross":
        raise ConfigurationError(
            f"an analysis takes a factor by energy on gross calorific value, as those of 40 CFR 98"
            f" table C-1 are, and {factor.id} is by {factor.unit}, {factor.basis}"
        )
    return convert(per_unit.factor_units, factor.unit, "mmBtu")
