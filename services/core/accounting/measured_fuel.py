"""Fuel whose heat content or carbon is measured while it burns, in place of dated analyses.

The equations are those of :mod:`.fuel_equations`; each minute takes what is known of the fuel in
it. So heat and carbon are weighted by the fuel that they were measured of, as eq. C-2b weighs the
samples of a year, and an hour, a month and a year agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.fuel_equations import FARTHEST, HEAT_CONTENT, FuelEquation
from services.core.accounting.series import Minutes
from services.core.accounting.units import Conversion

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelGases:
    """kg per unit of activity, minute by minute, and mmBtu of it by default."""

    co2_kg: Floats
    co2e_kg: Floats
    co2_biogenic_kg: Floats
    heat_mmbtu: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelMinutes:
    """The gases of each minute, and for how long of it they are known."""

    co2_kg: Floats
    co2e_kg: Floats
    co2_biogenic_kg: Floats
    covered_us: NDArray[np.int64]
    estimated_us: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredFuel:
    """By which equation a fuel is counted, and from which channels, by what they measure."""

    equation: FuelEquation
    #: from the channel's unit to that of the equation; of a heat content to mmBtu per activity unit
    conversions: tuple[tuple[str, Conversion], ...]
    #: units of fuel of the equation in one unit of activity
    fuel_units: float

    def minutes(
        self, default: FuelGases, series: Mapping[str, Minutes], minutes: NDArray[np.int64]
    ) -> FuelMinutes:
        """Compute the gases; ``default``: those of tables C-1 and C-2 with their heat content.

        What no fuel has, such as twelve times the heat of table C-1, is not known.
        """
        measured, covered, estimated = {}, [], []
        for name, conversion in self.conversions:
            value, covered_us = series[name].values_at(minutes)
            measured[name] = conversion(value)
            covered.append(np.where(self._can_be(name, measured[name], default), covered_us, 0))
            estimated.append(series[name].estimated_at(minutes))
        heat = np.ones(minutes.size)
        if HEAT_CONTENT.name in measured:
            with np.errstate(all="ignore"):
                heat = measured[HEAT_CONTENT.name] / default.heat_mmbtu
        co2, biogenic = default.co2_kg * heat, default.co2_biogenic_kg * heat
        # CH4 and N2O follow the heat, whatever the CO2 follows
        others = (default.co2e_kg - default.co2_kg) * heat
        if self.equation.co2_kg is not None:
            carbon = np.asarray(self.equation.co2_kg(measured)) * self.fuel_units
            is_biomass = (default.co2_kg == 0) & (default.co2_biogenic_kg > 0)
            co2, biogenic = np.where(is_biomass, 0.0, carbon), np.where(is_biomass, carbon, 0.0)
        return FuelMinutes(
            co2_kg=co2,
            co2e_kg=co2 + others,
            co2_biogenic_kg=biogenic,
            covered_us=reduce(np.minimum, covered),
            estimated_us=reduce(np.maximum, estimated),
        )

    def _can_be(self, name: str, value: Floats, default: FuelGases) -> NDArray[np.bool_]:
        if name == HEAT_CONTENT.name:
            known = default.heat_mmbtu
            return (value > known / FARTHEST) & (value < known * FARTHEST)
        greatest = next(f.greatest for f in self.equation.takes if f.name == name)
        return (value > 0) & (value <= greatest)
