"""The mean of an interval: from what a stack's channels gave in it to mg/Nm3 and kg.

Each channel is validated alone by the times of its readings, as an hour of CO2 is, over the minutes
in which the unit operated. What is not valid has no mean and no mass, and nothing stands in for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.pollutants.standardisation import (
    CONCENTRATION,
    NotConvertibleError,
    Standardisation,
    Standardised,
)
from services.core.accounting.stack.calibration_range import ValidRange, in_force
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.measured import FLOW, StackInputs
from services.core.accounting.stack.recording import ChannelPoints
from services.core.accounting.stack.scales import Scale
from services.core.accounting.stack.validity import (
    NOT_OPERATING,
    HourOfReadings,
    ValidityPolicy,
    Verdict,
)
from services.core.timeline.instants import MINUTE_US

AveragingMinutes = Literal[30, 60]

#: Decimals of a mean in mg/Nm3, a millionth of a milligram: what binary fractions add to a mean
#: that is the limit itself must not make it exceed the limit.
_PLACES = 6

#: More than this is no mass of an interval: no stack emits it in a year.
_MAX_UG = 1e18


@dataclass(frozen=True, kw_only=True)
class FlowRule:
    """How the flow is got, in Nm3/h, wet or dry as `basis` says."""

    inputs: StackInputs
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class PollutantRule:
    """One pollutant of a stack: how the mean of an interval is formed.

    `roles` are the source's inputs by what they are here, such as concentration, oxygen, flow.
    `scales` are those of channels whose full scale is stated, by the same names. `flow` None: there
    is no flow, so no mass. `valid_ranges` are those of the concentration's calibration functions,
    in mg/Nm3 as its means are: dry, at the reference oxygen.
    """

    name: str
    minutes: AveragingMinutes
    validity: ValidityPolicy
    standardisation: Standardisation
    roles: Mapping[str, str]
    flow: FlowRule | None = None
    scales: Mapping[str, Scale] = field(default_factory=dict)
    valid_ranges: tuple[ValidRange, ...] = ()


def needed(standardisation: Standardisation, flow: FlowRule | None) -> tuple[str, ...]:
    """Return the channels that a pollutant takes, by what they are to it."""
    of_flow = () if flow is None else flow.inputs.roles(FLOW)
    return tuple(dict.fromkeys((*standardisation.needs, *of_flow)))


@dataclass(frozen=True, kw_only=True)
class ChannelHour:
    """One channel over the 60 minutes of an hour, in its own unit.

    `excused`: data are missing because of calibration, quality assurance or maintenance.
    """

    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    points: ChannelPoints
    excused: bool = False

    def mean(self, minutes: NDArray[np.bool_]) -> float:
        """Return the mean over the minutes, weighted by the time that is known of each; or NaN."""
        return _mean(self.value, np.where(minutes, self.covered_us, 0))


@dataclass(frozen=True, kw_only=True)
class PollutantMean:
    """A pollutant in an interval that begins with a minute since the epoch.

    `inputs` are the means that entered: the concentration in its channel's `unit`, oxygen and
    moisture in %, the flow in Nm3/h. Results are in mg/Nm3; None: there is none. `verdict` and
    `reason` are about the mean, `mass_reason` tells why a valid one has no mass.
    `beyond_calibration`: whether it lies beyond the valid calibration range, None: there is none.
    """

    first_minute: int
    minutes: int
    valid: bool
    verdict: str
    reason: str
    covered_ms: int
    operating_ms: int
    inputs: Mapping[str, float]
    unit: str
    dry_mg_m3: float | None = None
    factor: float | None = None
    mean_mg_m3: float | None = None
    mass_ug: int | None = None
    mass_reason: str = ""
    beyond_calibration: bool | None = None


def means_of_hour(
    rule: PollutantRule,
    hour: int,
    channels: Mapping[str, ChannelHour],
    operating: NDArray[np.bool_],
) -> Iterator[PollutantMean]:
    """Form the means of an hour since the epoch; ``operating`` are its minutes of operation."""
    minute = np.arange(60)
    for begin in range(0, 60, rule.minutes):
        inside = (minute >= begin) & (minute < begin + rule.minutes)
        yield _of_interval(rule, hour * 60 + begin, channels, operating & inside, inside)


def _of_interval(
    rule: PollutantRule,
    first_minute: int,
    channels: Mapping[str, ChannelHour],
    operating: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> PollutantMean:
    concentration = channels[CONCENTRATION]
    operating_ms = int(operating.sum()) * 60_000
    covered_us = np.where(operating, concentration.covered_us, 0)

    def interval(
        verdict: Verdict, inputs: Mapping[str, float], **results: float | int | str | None
    ) -> PollutantMean:
        return PollutantMean(
            first_minute=first_minute,
            minutes=rule.minutes,
            valid=verdict.valid,
            verdict=verdict.code,
            reason=verdict.reason,
            covered_ms=int(covered_us.sum() // 1000),
            operating_ms=operating_ms,
            inputs={name: round(mean, _PLACES) for name, mean in inputs.items()},
            unit=rule.standardisation.to_mg.from_unit,
            **results,  # type: ignore[arg-type]
        )

    if not operating_ms:
        stood_still = Verdict(valid=False, code=NOT_OPERATING, reason="the unit did not operate")
        return interval(stood_still, {}, mass_ug=0)
    means = {name: channels[name].mean(operating) for name in rule.standardisation.needs}
    verdict = _verdict(rule, rule.standardisation.needs, channels, operating, inside)
    inputs = rule.standardisation.in_units(means)
    if not verdict.valid:
        return interval(verdict, inputs)
    try:
        at_reference = rule.standardisation.standardise(inputs)
    except NotConvertibleError as error:
        verdict = Verdict(valid=False, code=error.code, reason=str(error))
        return interval(verdict, inputs)
    flow, mass_ug, why = _mass(rule, at_reference, channels, operating, inside)
    if flow is not None:
        inputs = {**inputs, FLOW: flow}
    return interval(
        verdict,
        inputs,
        dry_mg_m3=round(at_reference.dry, _PLACES),
        factor=at_reference.factor,
        mean_mg_m3=round(at_reference.mean, _PLACES),
        mass_ug=mass_ug,
        mass_reason=why,
        beyond_calibration=in_force(rule.valid_ranges, first_minute * MINUTE_US).is_beyond(
            at_reference.mean
        )
        if rule.valid_ranges
        else None,
    )


def _verdict(
    rule: PollutantRule,
    names: tuple[str, ...],
    channels: Mapping[str, ChannelHour],
    operating: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> Verdict:
    """Evaluate each channel alone; return the first verdict that is not valid, else the first."""
    verdicts = []
    for name in names:
        channel = channels[name]
        points_us = channel.points.points_us
        covered_s = float(np.where(operating, channel.covered_us, 0).sum()) / 1e6
        verdict = rule.validity.evaluate(
            HourOfReadings(
                points_us=points_us[inside[points_us // MINUTE_US]],
                every_us=channel.points.every_us,
                is_learned=channel.points.is_learned,
                operating=operating,
                covered_s=covered_s,
                excused=channel.excused,
            )
        )
        if verdict.valid and covered_s == 0:
            verdict = Verdict(
                valid=False, code="no-data", reason="no value while the unit operated"
            )
        if not verdict.valid:
            of_channel = "" if name == CONCENTRATION else f"{name}: "
            return Verdict(valid=False, code=verdict.code, reason=of_channel + verdict.reason)
        verdicts.append(verdict)
    return verdicts[0]


def _mass(
    rule: PollutantRule,
    concentration: Standardised,
    channels: Mapping[str, ChannelHour],
    operating: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> tuple[float | None, int | None, str]:
    """Return the flow in Nm3/h, the mass and why there is none.

    Concentration and flow are multiplied in the same state of the gas; how much oxygen a limit
    refers to has nothing to do with how much is emitted.
    """
    if rule.flow is None:
        return None, None, "the source measures no flow"
    roles = rule.flow.inputs.roles(FLOW)
    verdict = _verdict(rule, roles, channels, operating, inside)
    if not verdict.valid:
        return None, None, f"flow: {verdict.reason.removeprefix('flow: ')}"
    values = rule.flow.inputs.value(FLOW, {role: channels[role].value for role in roles})
    covered_us = np.minimum.reduce([channels[role].covered_us for role in roles])
    flow = _mean(np.asarray(values), np.where(operating, covered_us, 0))
    if math.isnan(flow):
        return None, None, "flow: it is known in no minute of operation"
    is_wet = rule.flow.basis is Basis.WET
    in_flow = concentration.as_measured if is_wet else concentration.dry
    mass_ug = in_flow * max(0.0, flow) * (int(operating.sum()) / 60) * 1000
    if not mass_ug < _MAX_UG:
        return None, None, "concentration times flow is no mass that a stack can emit"
    return round(flow, _PLACES), round(mass_ug), ""


def _mean(value: NDArray[np.float64], covered_us: NDArray[np.int64]) -> float:
    known = (covered_us > 0) & np.isfinite(value)
    return float(np.average(value[known], weights=covered_us[known])) if known.any() else math.nan
