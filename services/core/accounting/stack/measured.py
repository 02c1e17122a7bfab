"""From what a stack's channels measure to the inputs of its equation: units and state of the gas.

A flow that is measured as the gas flows is brought to the equation's reference conditions by its
temperature and absolute pressure, a wet flow beside a dry concentration to dry gas by the moisture,
minute by minute, before anything is averaged.

What is derived from several channels is computed in the same way, first: its channels are the
input's own, so that what a rule asks of a measurement it asks of each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.derived.minutes import DerivedInput
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
    the moisture is taken out of the flow. `derived`: what is computed from channels, each of which
    is a role of its own name.
    """

    conversions: Mapping[str, Conversion]
    from_normal: Conversion | None = None
    dry_flow: bool = False
    derived: Mapping[str, DerivedInput] = field(default_factory=dict)

    def parts(self, name: str) -> tuple[str, ...]:
        """Return what one input is made of: itself, and what brings a flow to its state."""
        if name != FLOW:
            return (name,)
        conditions = () if self.from_normal is None else (TEMPERATURE, PRESSURE)
        return (FLOW, *conditions, *((MOISTURE,) if self.dry_flow else ()))

    def channels(self, part: str) -> tuple[str, ...]:
        """Return the roles of the channels that a part comes from."""
        return self.derived[part].channels if part in self.derived else (part,)

    def roles(self, name: str) -> tuple[str, ...]:
        """Return the roles of the channels that one input comes from, its own first."""
        return tuple(
            dict.fromkeys(role for part in self.parts(name) for role in self.channels(part))
        )

    def value(self, name: str, channels: Mapping[str, Numeric]) -> Numeric:
        """Return the input in the equation's unit, from values in the channels' own units.

        A derived part that is given itself is not computed.
        """
        return self._of_parts(
            name,
            {
                part: channels[part] if part in channels else self.derived[part].value(channels)
                for part in self.parts(name)
            },
        )

    def _of_parts(self, name: str, parts: Mapping[str, Numeric]) -> Numeric:
        converted = {part: self.conversions[part](value) for part, value in parts.items()}
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
        means = {
            part: self.derived[part].minutes(series, minutes).values_at(minutes)
            if part in self.derived
            else series[part].values_at(minutes)
            for part in self.parts(name)
        }
        value = self._of_parts(name, {part: value for part, (value, _) in means.items()})
        covered = np.minimum.reduce([covered for _, covered in means.values()])
        return np.asarray(value, dtype=np.float64), covered
