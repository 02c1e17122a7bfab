"""The minutes of a derived channel, from those of its inputs.

A minute is computed from the minutes of its inputs and nothing else, so late, duplicate and
out-of-order readings of any of them give the same figures. Registers enter as what they counted in
the minute, never as two indexes of different times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.derived.dimensions import Measured, check
from services.core.accounting.derived.formula import Node, evaluate
from services.core.accounting.derived.formula import references as references_of
from services.core.accounting.series import ChosenMinutes, Minutes
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.units import conversion, unit

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivedInput:
    """A source's input that is computed from channels; each is a role of its own name."""

    formula: Node
    is_rate: bool
    #: by channel: from its unit to that in which the formula is computed
    scales: tuple[tuple[str, float], ...]
    #: from the unit in which the formula is computed to the derived channel's
    scale: float
    #: what is below zero is what flows out
    is_signed: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that it is computed from, as ``device.channel``."""
        return tuple(name for name, _ in self.scales)

    def value(self, values: Mapping[str, Numeric]) -> Numeric:
        """Compute it from values of its channels in their own units; NaN where one is."""
        scaled = {name: np.asarray(values[name]) * scale for name, scale in self.scales}
        return evaluate(self.formula, scaled) * self.scale

    def minutes(self, series: Mapping[str, Minutes], minutes: NDArray[np.int64]) -> ChosenMinutes:
        """Compute its minutes: known where all inputs are, and estimated where one is.

        An amount that an input has for longer than all inputs are known counts in proportion.
        """
        known = {name: series[name].values_at(minutes) for name in self.channels}
        covered = reduce(np.minimum, (covered_us for _, covered_us in known.values()))
        estimated = reduce(
            np.maximum, (series[name].estimated_at(minutes) for name in self.channels)
        )
        values = {}
        for name in self.channels:
            value, own_covered = known[name]
            exported = series[name].exported_at(minutes)
            if exported is not None:
                # in a formula a meter that measures both ways has its sign
                value = value - exported
            if not series[name].is_rate:
                value = value * (covered / np.maximum(own_covered, 1))
            values[name] = value
        value = self.value(values) + np.zeros(minutes.size)
        # a quotient of nothing says nothing
        covered = np.where(np.isfinite(value), covered, 0)
        value = np.where(covered > 0, value, np.nan if self.is_rate else 0.0)
        return ChosenMinutes(
            value=np.maximum(value, 0.0) if self.is_signed else value,
            covered_us=covered,
            estimated_us=np.minimum(estimated, covered),
            is_rate=self.is_rate,
            exported=np.maximum(-value, 0.0) if self.is_signed else None,
        )


def derived_input(
    formula: Node, channels: Mapping[str, Measured], result: str, *, is_signed: bool = False
) -> DerivedInput:
    """Return what computes the formula in the unit ``result``.

    :raises FormulaError: its units do not fit.
    """
    checked = check(formula, channels, result)
    names = references_of(formula)
    quantity = unit(result).quantity
    # in the unit itself nothing is rounded on the way
    same_unit = all(unit(channels[name].unit).quantity in {quantity, "fraction"} for name in names)
    if quantity == "fraction":
        same_unit = same_unit and checked.is_as_shown

    def scale(name: str) -> float:
        measured = unit(channels[name].unit)
        if same_unit and measured.quantity == quantity:
            return conversion(measured.symbol, result).scale
        return float(measured.scale)

    return DerivedInput(
        formula=formula,
        is_rate=checked.is_rate,
        is_signed=is_signed,
        scales=tuple((name, scale(name)) for name in names),
        scale=1.0 if same_unit else float(1 / unit(result).scale),
    )
