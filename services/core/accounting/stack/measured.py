"""From what a stack's channels measure to the inputs of its equation: units and state of the gas.

A flow that is measured as the gas flows is brought to the equation's reference conditions by its
temperature and absolute pressure, a wet flow beside a dry concentration to dry gas by the moisture,
minute by minute, before anything is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.series import Minutes
from services.core.accounting.stack.corrections import actual_to_normal_flow, flow_wet_to_dry
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.units import Conversion

FLOW, TEMPERATURE, PRESSURE, MOISTURE = "flow", "temperature", "pressure", "h2o"


@dataclass(frozen=True, kw_only=True)
class StackInputs:
    """How each input of an equation is got from the channels, by role.

    `conversions` lead from each channel's unit to the equation's; of a flow as it flows to m3/h, of
    its temperature to degC, of its pressure (absolute) to kPa. `from_normal`: from Nm3/h to the
    equation's unit of flow, None where the flow is measured at reference conditions. `dry_flow`:
    the moisture is taken out of the flow.
    """

    conversions: Mapping[str, Conversion]
    from_normal: Conversion | None = None
    dry_flow: bool = False

    def roles(self, name: str) -> tuple[str, ...]:
        """Return the channels that one input comes from."""
        if name != FLOW:
            return (name,)
        conditions = () if self.from_normal is None else (TEMPERATURE, PRESSURE)
        return (FLOW, *conditions, *((MOISTURE,) if self.dry_flow else ()))

    def value(self, name: str, channels: Mapping[str, Numeric]) -> Numeric:
        """Return the input in the equation's unit, from values in the channels' own units."""
        converted = {role: self.conversions[role](channels[role]) for role in self.roles(name)}
        value = converted[name]
        if name == FLOW and self.from_normal is not None:
            value = self.from_normal(
                actual_to_normal_flow(
                    value, temperature_c=converted[TEMPERATURE], pressure_kpa=converted[PRESSURE]
                )
            )
        if name == FLOW and self.dry_flow:
            value = flow_wet_to_dry(value, converted[MOISTURE])
        return value

    def values_at(
        self, name: str, series: Mapping[str, Minutes], minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and covered microseconds of one input; of several channels the least covered."""
        means = {role: series[role].values_at(minutes) for role in self.roles(name)}
        value = self.value(name, {role: value for role, (value, _) in means.items()})
        covered = np.minimum.reduce([covered for _, covered in means.values()])
        return np.asarray(value, dtype=np.float64), covered
