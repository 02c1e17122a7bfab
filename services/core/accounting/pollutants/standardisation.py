"""From a measured concentration to dry gas at 0 degC, 101.325 kPa and the reference oxygen.

An interval's means are converted, not its readings: the mean is formed first and then brought to
the reference oxygen (13. BImSchV section 19(1)). So whoever has the means can work the result out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.core.accounting.stack.corrections import (
    NORMAL_K,
    NORMAL_KPA,
    OXYGEN_IN_AIR_EU,
    concentration_wet_to_dry,
    to_reference_oxygen,
)
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.measured import MOISTURE
from services.core.accounting.units import Conversion

CONCENTRATION, OXYGEN = "concentration", "oxygen"

#: Conditions of the gas whose concentration is measured; those of the flow are others.
GAS_TEMPERATURE, GAS_PRESSURE = "gas_temperature", "gas_pressure"

#: From this much oxygen on the gas is taken for air: at 21 % the conversion has no value, and close
#: to it an error of a tenth of a percent decides about the result.
AIR_PERCENT = 20.9


class NotConvertibleError(ValueError):
    """The means of an interval cannot be standardised; `code` and message say why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Standardised:
    """A concentration in mg/Nm3 (0 degC, 101.325 kPa): as wet as it was measured, and dry."""

    as_measured: float
    dry: float
    #: what the dry one is multiplied by; 1 where no reference oxygen is stated
    factor: float

    @property
    def mean(self) -> float:
        """The dry concentration at the reference oxygen."""
        return self.dry * self.factor


@dataclass(frozen=True, kw_only=True)
class Standardisation:
    """How one pollutant's means are standardised.

    `to_mg`: from the channel's unit to mg/m3, at 0 degC and 101.325 kPa unless `is_actual`, when
    temperature and pressure of the gas lead there. `conversions` are those of the other means, by
    name. `reference_oxygen` in %, None: the limit knows none. `above_reference_only`: where there
    is less oxygen than the reference the concentration stays as it is, as for what is abated.
    """

    to_mg: Conversion
    basis: Basis
    is_actual: bool = False
    oxygen_basis: Basis = Basis.DRY
    reference_oxygen: float | None = None
    above_reference_only: bool = False
    conversions: Mapping[str, Conversion] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The means that it takes."""
        wet = self.basis is Basis.WET or (
            self.reference_oxygen is not None and self.oxygen_basis is Basis.WET
        )
        return (
            CONCENTRATION,
            *((GAS_TEMPERATURE, GAS_PRESSURE) if self.is_actual else ()),
            *((MOISTURE,) if wet else ()),
            *(() if self.reference_oxygen is None else (OXYGEN,)),
        )

    def in_units(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the means that are known, all but the concentration in the units of the rule."""
        return {
            name: self.conversions[name](mean) if name in self.conversions else mean
            for name, mean in means.items()
            if not math.isnan(mean)
        }

    def standardise(self, value: Mapping[str, float]) -> Standardised:
        """Return the concentration from an interval's means, as :meth:`in_units` has them.

        A negative concentration is the noise of a monitor at zero, and counts as zero.

        :raises NotConvertibleError: the gas was air, or a mean is no measurement.
        """
        measured = max(0.0, self.to_mg(value[CONCENTRATION]))
        if self.is_actual:
            measured *= _to_normal(value[GAS_TEMPERATURE], value[GAS_PRESSURE])
        moisture = value.get(MOISTURE, 0.0)
        if not moisture < 100:
            raise NotConvertibleError("no-gas", f"the moisture is {moisture:g} %: no gas is left")
        wet = self.basis is Basis.WET
        dry = float(concentration_wet_to_dry(measured, moisture)) if wet else measured
        return Standardised(
            as_measured=measured, dry=dry, factor=self._factor(value.get(OXYGEN), moisture)
        )

    def _factor(self, oxygen: float | None, moisture: float) -> float:
        if oxygen is None or self.reference_oxygen is None:
            return 1.0
        if self.oxygen_basis is Basis.WET:
            oxygen = float(concentration_wet_to_dry(oxygen, moisture))
        if oxygen >= AIR_PERCENT:
            raise NotConvertibleError(
                "air",
                f"with {oxygen:.2f} % O2 the gas is air: to {self.reference_oxygen:g} % O2 it would"
                f" have to be multiplied by ({OXYGEN_IN_AIR_EU:g} - {self.reference_oxygen:g}) /"
                f" ({OXYGEN_IN_AIR_EU:g} - {oxygen:.2f})",
            )
        if self.above_reference_only and oxygen <= self.reference_oxygen:
            return 1.0
        return float(to_reference_oxygen(1.0, oxygen, self.reference_oxygen))


def _to_normal(temperature_c: float, pressure_kpa: float) -> float:
    """Return what a concentration of gas at these conditions is multiplied by."""
    if temperature_c <= -NORMAL_K or pressure_kpa <= 0:
        raise NotConvertibleError(
            "no-conditions",
            f"{temperature_c:g} degC and {pressure_kpa:g} kPa are no conditions of a gas",
        )
    return (NORMAL_K + temperature_c) / NORMAL_K * (NORMAL_KPA / pressure_kpa)
