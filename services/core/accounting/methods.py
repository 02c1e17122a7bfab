"""Methods: from the minutes of a source's channels to its CO2, minute by minute.

Masses here are unrounded kilograms; what the rules round is an hour's or a period's figure.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.derived.minutes import DerivedInput
from services.core.accounting.factor_spans import (
    FactorSpan,
    Hourly,
    changes,
    per_unit,
    series,
)
from services.core.accounting.measured_fuel import FuelGases, MeasuredFuel
from services.core.accounting.series import Minutes
from services.core.accounting.stack.biogenic import BIOGENIC, BiogenicShare
from services.core.accounting.stack.equations import Equation
from services.core.accounting.stack.measured import StackInputs
from services.core.accounting.units import Conversion
from services.core.timeline.instants import HOUR_US


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteMasses:
    """One source over the minutes asked for; where ``covered_us`` is 0 nothing is known."""

    co2_kg: NDArray[np.float64]
    co2e_kg: NDArray[np.float64]
    #: scope 2, market-based CO2; as co2_kg where no contract says otherwise
    market_kg: NDArray[np.float64]
    #: CO2 from biomass, which is in none of the others
    co2_biogenic_kg: NDArray[np.float64]
    #: in the source's activity unit; None for a method without an activity
    activity: NDArray[np.float64] | None
    #: what flowed out beside it, in the same unit, and emits nothing; None: not told apart
    exported: NDArray[np.float64] | None = None
    covered_us: NDArray[np.int64]
    #: of the covered time, that for which the activity is known in a longer sum only, or that rests
    #: on uncertain readings
    estimated_us: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerUnit:
    """kg per unit of activity, minute by minute; 0 where not ``known``: no factor holds."""

    co2_kg: NDArray[np.float64]
    co2e_kg: NDArray[np.float64]
    market_kg: NDArray[np.float64]
    co2_biogenic_kg: NDArray[np.float64]
    known: NDArray[np.bool_]


#: Masses by their names in kilograms without the unit, CO2 first: what thresholds may watch.
MASS_NAMES: Final = tuple(
    mass.name.removesuffix("_kg") for mass in fields(MinuteMasses) if mass.name.endswith("_kg")
)

if TYPE_CHECKING:
    MassName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    MassName = Literal[MASS_NAMES]


class Method(Protocol):
    """How one source is computed."""

    @property
    def activity_unit(self) -> str | None:
        """Unit of the activity amounts, None where there are none."""
        ...

    def masses(self, series: Mapping[str, Minutes], minutes: NDArray[np.int64]) -> MinuteMasses:
        """Masses of ``minutes`` (ascending) from each input's series, by role."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityMethod:
    """Mass = activity x emission factor (GHG Protocol Corporate Standard, ch. 6)."""

    #: from the channel's unit (of a gauge: per hour) to the activity unit
    to_activity: Conversion
    activity_unit: str
    factor_spans: tuple[FactorSpan, ...]
    #: of the market-based factor (scope 2); where it says nothing the other one holds
    market_spans: tuple[FactorSpan, ...] = ()
    #: None: a channel is its input; else it is computed from several
    derived: DerivedInput | None = None
    #: the input measures what flows out
    is_export: bool = False
    #: heat content or carbon are measured, and gases follow them; None: the factor is all of it
    fuel: MeasuredFuel | None = None
    #: hours of the series that factors are, by series; where there is none, it computes nothing
    hourly: Hourly = field(default_factory=dict, compare=False, repr=False)

    def masses(self, series: Mapping[str, Minutes], minutes: NDArray[np.int64]) -> MinuteMasses:
        """Integrate a gauge's mean over its covered time; minutes without a factor are unknown."""
        channel = series["input"] if self.derived is None else self.derived.minutes(series, minutes)
        value, covered = channel.values_at(minutes)
        exported = channel.exported_at(minutes)
        if self.is_export:
            value, exported = np.zeros_like(value), value
        activity = self._amount(value, covered, is_rate=channel.is_rate)
        per_unit = self.per_unit(minutes)
        if self.fuel is not None:
            return self._measured(self.fuel, activity, channel, per_unit, series, minutes)
        return MinuteMasses(
            co2_kg=activity * per_unit.co2_kg,
            co2e_kg=activity * per_unit.co2e_kg,
            market_kg=activity * per_unit.market_kg,
            co2_biogenic_kg=activity * per_unit.co2_biogenic_kg,
            activity=activity,
            exported=None
            if exported is None
            else self._amount(exported, covered, is_rate=channel.is_rate),
            covered_us=np.where(per_unit.known, covered, 0),
            estimated_us=np.where(per_unit.known, channel.estimated_at(minutes), 0),
        )

    def _measured(
        self,
        measured: MeasuredFuel,
        activity: NDArray[np.float64],
        channel: Minutes,
        per_unit: PerUnit,
        series: Mapping[str, Minutes],
        minutes: NDArray[np.int64],
    ) -> MinuteMasses:
        """Count the fuel by what was measured of it, for the time that all of it is known."""
        heat = np.zeros(minutes.size)
        for version in self.factor_spans:
            heat[version.holds(minutes)] = version.heat_mmbtu
        default = FuelGases(
            co2_kg=per_unit.co2_kg,
            co2e_kg=per_unit.co2e_kg,
            co2_biogenic_kg=per_unit.co2_biogenic_kg,
            heat_mmbtu=heat,
        )
        fuel = measured.minutes(default, series, minutes)
        _, metered_us = channel.values_at(minutes)
        covered = np.where(per_unit.known, np.minimum(metered_us, fuel.covered_us), 0)
        activity = activity * (covered / np.maximum(metered_us, 1))
        known = covered > 0
        co2 = np.where(known, activity * fuel.co2_kg, 0.0)
        return MinuteMasses(
            co2_kg=co2,
            co2e_kg=np.where(known, activity * fuel.co2e_kg, 0.0),
            market_kg=co2,
            co2_biogenic_kg=np.where(known, activity * fuel.co2_biogenic_kg, 0.0),
            activity=activity,
            covered_us=covered,
            estimated_us=np.minimum(
                np.maximum(channel.estimated_at(minutes), fuel.estimated_us), covered
            ),
        )

    def _amount(
        self, value: NDArray[np.float64], covered_us: NDArray[np.int64], *, is_rate: bool
    ) -> NDArray[np.float64]:
        amount = self.to_activity(np.where(covered_us > 0, value, 0.0))
        return amount * (covered_us / HOUR_US) if is_rate else amount

    def per_unit(self, minutes: NDArray[np.int64]) -> PerUnit:
        """Return the factors that hold in each of the minutes.

        :raises LookupError: it counts by a series whose hours were not given to it.
        """
        figures = per_unit(minutes, self.factor_spans, self.market_spans, self.hourly)
        return PerUnit(
            co2_kg=figures.co2_kg,
            co2e_kg=figures.co2e_kg,
            market_kg=figures.market_kg,
            co2_biogenic_kg=figures.co2_biogenic_kg,
            known=figures.known,
        )

    def changes(self) -> list[int]:
        """Minutes, ascending, at which a factor, or an hour's value, begins or ceases to hold."""
        return sorted(changes((*self.factor_spans, *self.market_spans), self.hourly))

    @property
    def series(self) -> Mapping[int, Collection[tuple[str, ...]]]:
        """The series that it counts by, each with its orders of fallbacks."""
        return series((*self.factor_spans, *self.market_spans))

    def with_hours(self, hourly: Hourly) -> ActivityMethod:
        """Return it with hours of the series that it counts by."""
        return replace(self, hourly=hourly)


@dataclass(frozen=True, kw_only=True, slots=True)
class StackMethod:
    """Mass from measured concentration and flow, by the source's equation."""

    equation: Equation
    inputs: StackInputs
    #: what of its CO2 is from biomass; None: nothing
    biogenic: BiogenicShare | None = None
    #: a rule judges its hours: what an uncertain value is worth is for the rule to say
    is_under_rule: bool = False

    @property
    def activity_unit(self) -> None:
        """A stack has no activity data."""
        return

    def masses(self, series: Mapping[str, Minutes], minutes: NDArray[np.int64]) -> MinuteMasses:
        """Apply the equation to the minute's means, over the time that all inputs cover."""
        inputs: dict[str, NDArray[np.float64]] = {}
        covered = np.full(minutes.size, np.iinfo(np.int64).max)
        estimated = np.zeros(minutes.size, dtype=np.int64)
        for item in self.equation.inputs:
            inputs[item.name], covered_us = self.inputs.values_at(item.name, series, minutes)
            covered = np.minimum(covered, covered_us)
            for role in () if self.is_under_rule else self.inputs.roles(item.name):
                estimated = np.maximum(estimated, series[role].estimated_at(minutes))
        rate_kg_h = np.asarray(self.equation.rate_kg_h(inputs), dtype=np.float64)
        covered = np.where(np.isfinite(rate_kg_h), covered, 0)
        co2 = np.where(covered > 0, rate_kg_h * (covered / HOUR_US), 0.0)
        biogenic = np.zeros_like(co2)
        if self.biogenic is not None:
            share, known = self.biogenic.shares_at(series, minutes)
            biogenic = co2 * share
            co2 = co2 - biogenic
            if not self.is_under_rule:
                if self.biogenic.to_ratio is not None:
                    estimated = np.maximum(estimated, series[BIOGENIC].estimated_at(minutes))
                estimated = np.where(known, estimated, covered)
        return MinuteMasses(
            co2_kg=co2,
            co2e_kg=co2,
            market_kg=co2,
            co2_biogenic_kg=biogenic,
            activity=None,
            covered_us=covered,
            estimated_us=np.minimum(estimated, covered),
        )

    def sensitivities(self, channels: Mapping[str, float]) -> dict[str, float]:
        """By channel: percent that the rate changes when its value rises by one percent.

        Central differences around the values of `channels`, by role in their own units; NaN where
        the rate is zero or an input is missing. For the propagation of uncertainty (JCGM 100:2008,
        5.1.2): it turns a channel's relative uncertainty into the rate's. Of what is derived it is
        told too how it changes the rate itself.
        """

        def rate(values: Mapping[str, float]) -> float:
            inputs = {i.name: self.inputs.value(i.name, values) for i in self.equation.inputs}
            return float(self.equation.rate_kg_h(inputs))

        names = [item.name for item in self.equation.inputs]
        roles = {role for name in names for role in self.inputs.roles(name)}
        parts = {part for name in names for part in self.inputs.parts(name)} & set(
            self.inputs.derived
        )
        if not roles <= set(channels) or rate(channels) == 0:
            return dict.fromkeys((*roles, *parts), math.nan)
        values = {
            **channels,
            **{part: float(self.inputs.derived[part].value(channels)) for part in parts},
        }
        result: dict[str, float] = {}
        for role in (*roles, *parts):
            # a channel acts through what is derived from it, which is computed anew
            around = values if role in parts else channels
            up, down = (rate({**around, role: around[role] * f}) for f in (1.0001, 0.9999))
            result[role] = (up - down) / (2e-4 * rate(channels))
        return result
