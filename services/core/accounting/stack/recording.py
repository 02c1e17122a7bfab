"""Recording an hour: each input validated alone, its average as the rule records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.stack.audits import Audit, failed_periods, in_force
from services.core.accounting.stack.calibration_range import ValidRange
from services.core.accounting.stack.equations import NEGATIVE_REPLACED
from services.core.accounting.stack.inputs import Input
from services.core.accounting.stack.scales import AS_READ
from services.core.accounting.stack.substitution import more_emission
from services.core.accounting.stack.validity import HourOfReadings, ValidityPolicy, Verdict
from services.core.timeline.instants import MINUTE_US

OPERATING = "operating"
"""Name among the inputs of the channel that tells whether the unit operates."""

LOAD = "load"
"""Name among the inputs, and the recorded ones, of the unit's load."""

MEASURED = "01"
"""Method code of a value from the primary monitoring system (40 CFR 75.57, Table 4a)."""

NEGATIVE = "negative"
"""Verdict on a flow that is negative on average: there is no code for it (ibid.)."""


@dataclass(frozen=True, kw_only=True)
class OverScale:
    """An input over an hour in which readings lay above full scale, in the equation's unit.

    With what was read there as it counts; under a rule that counts it for nothing, as it was read.
    `over_us` is the time of each minute that is above full scale.
    """

    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    over_us: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChannelPoints:
    """The times at which one channel of an input gave valid readings in an hour.

    `points_us` ascend, in microseconds since the hour began. `every_us` is the channel's interval,
    `is_learned` whether its readings tell it.
    """

    role: str
    points_us: NDArray[np.int64]
    every_us: int
    is_learned: bool = False


@dataclass(frozen=True, kw_only=True)
class CalibratedMinutes:
    """An input's own channel over an hour, in its unit, and where its calibration is valid."""

    value: NDArray[np.float64]
    valid: ValidRange


@dataclass(frozen=True, kw_only=True)
class InputMinutes:
    """One input over the 60 minutes of an hour, in the equation's unit.

    `channels` are those that it comes from, the input's own first. `assured[m]` is False where the
    monitor was out of control in minute m, `control` says why or by what grace it was not;
    `excused` whether readings say that there was
    calibration or maintenance. `over` None: no reading lies above full scale. `calibrated` None:
    its channel has no calibration function with a valid range.
    """

    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    assured: NDArray[np.bool_]
    excused: bool
    channels: tuple[ChannelPoints, ...]
    over: OverScale | None = None
    control: tuple[str, ...] = ()
    calibrated: CalibratedMinutes | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedInput:
    """An input's hour as recorded: its average in the equation's unit, and whether it is valid.

    `average` is adjusted by the bias factor of the last audit; `unadjusted` is what it was before,
    None where no factor applies. `code` is the method code of the average where it is valid.
    `least_known` is the average with what lay above full scale, None where nothing did: whatever
    stands in for the input never makes less emission. `beyond_calibration` tells whether the
    channel's average lies beyond the valid range of its calibration function, None: it has none.
    """

    average: Decimal | None
    unadjusted: Decimal | None = None
    code: str = MEASURED
    least_known: Decimal | None = None
    covered_ms: int
    operating_ms: int
    valid: bool
    verdict: str
    verdict_reason: str
    beyond_calibration: bool | None = None


def operates(
    above: float | None, value: NDArray[np.float64], covered_us: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell of each minute whether the unit operates: what shows it is above a value, or not known.

    `above` None: it always does.
    """
    if above is None:
        return np.ones(len(value), dtype=bool)
    runs: NDArray[np.bool_] = np.logical_or(covered_us == 0, value > above)
    return runs


def record_input(
    item: Input,
    minutes: InputMinutes,
    *,
    operating: NDArray[np.bool_],
    validity: ValidityPolicy,
    audits: Sequence[Sequence[Audit]],
    clock_hour: int,
    over_code: str = AS_READ,
    no_negative: bool = False,
) -> RecordedInput:
    """Validate one input's hour by the validity policy and record its average.

    It is valid when each channel that it comes from gave enough readings in the hour itself: what
    an earlier value covers is in the average, and is no measurement of this hour. The average is
    rounded as recorded, then multiplied by the bias factor in force and rounded again, the way
    EPA's checking code adjusts an hour. `audits` are those of each channel of what is measured: of
    several, each must have passed, and none of them carries a bias factor. `over_code` is the
    method code of an average with readings above full scale; `no_negative`: a negative average
    becomes zero, with its code, and a negative flow is not valid (40 CFR 75.57, Table 4a).
    """
    passed, failed = _passed(audits, clock_hour)
    assured = minutes.assured & passed
    counts = assured & operating
    covered_us = np.where(counts, minutes.covered_us, 0)
    verdict = _verdict(minutes, covered_us, assured, operating, validity)
    out = int((~assured).sum())
    out_reason = f"{out} minutes out of control" if out else ""
    reason = "; ".join(
        part for part in (verdict.reason, out_reason, *minutes.control, *failed) if part
    )
    average, code = item.record(_mean(minutes.value, covered_us)), MEASURED
    least_known, over_us = _over_scale(item, minutes, counts)
    if over_us:
        reason += f"; above its scale for {over_us / MINUTE_US:g} minutes"
        if over_code != AS_READ:
            code = over_code
        elif more_emission(item.name, average, least_known) != average:
            average, code = least_known, AS_READ
    if no_negative and average is not None and average < 0:
        if item.name in ("co2", "h2o"):
            average, code = abs(average * 0), NEGATIVE_REPLACED
        elif item.name == "flow" and verdict.valid:
            reason = "a unit in operation has no negative flow"
            verdict = Verdict(valid=False, code=NEGATIVE, reason=reason)
    unadjusted = None
    audit = in_force(audits[0], clock_hour=clock_hour) if len(audits) == 1 else None
    if audit is not None and audit.bias_factor != 1 and average is not None:
        average, unadjusted = item.record(average * audit.bias_factor), average
        if least_known is not None:
            least_known = item.record(least_known * audit.bias_factor)
    return RecordedInput(
        average=average,
        unadjusted=unadjusted,
        code=code,
        least_known=least_known,
        covered_ms=int(covered_us.sum() // 1000),
        operating_ms=int(operating.sum()) * 60_000,
        valid=verdict.valid,
        verdict=verdict.code,
        verdict_reason=reason,
        beyond_calibration=_beyond_calibration(minutes, covered_us),
    )


def _beyond_calibration(minutes: InputMinutes, covered_us: NDArray[np.int64]) -> bool | None:
    if minutes.calibrated is None:
        return None
    mean = _mean(minutes.calibrated.value, covered_us)
    return None if mean is None else minutes.calibrated.valid.is_beyond(mean)


def _verdict(
    minutes: InputMinutes,
    covered_us: NDArray[np.int64],
    assured: NDArray[np.bool_],
    operating: NDArray[np.bool_],
    validity: ValidityPolicy,
) -> Verdict:
    """Evaluate each channel alone; return the first verdict that is not valid, else the first."""
    covered_s = float(covered_us.sum()) / 1e6
    verdicts = [
        validity.evaluate(
            HourOfReadings(
                points_us=channel.points_us[assured[channel.points_us // MINUTE_US]],
                every_us=channel.every_us,
                is_learned=channel.is_learned,
                operating=operating,
                covered_s=covered_s,
                excused=minutes.excused,
            )
        )
        for channel in minutes.channels
    ]
    for channel, verdict in zip(minutes.channels[1:], verdicts[1:], strict=True):
        if verdicts[0].valid and not verdict.valid:
            return replace(verdict, reason=f"{channel.role}: {verdict.reason}")
    if verdicts[0].valid and covered_s == 0:
        return Verdict(valid=False, code="no-data", reason="no value while the unit operated")
    return verdicts[0]


def _over_scale(
    item: Input, minutes: InputMinutes, counts: NDArray[np.bool_]
) -> tuple[Decimal | None, int]:
    """Return the average with what lies above full scale, None if nothing does, and its time."""
    over_us = 0 if minutes.over is None else int(minutes.over.over_us[counts].sum())
    if minutes.over is None or not over_us:
        return None, 0
    known_us = np.where(counts, minutes.over.covered_us, 0)
    return item.record(_mean(minutes.over.value, known_us)), over_us


def record_load(minutes: InputMinutes, *, operating: NDArray[np.bool_]) -> RecordedInput:
    """Compute the mean load while the unit operates, in the channel's unit; None: unknown.

    It enters no equation, so there is nothing to judge.
    """
    covered_us = np.where(operating, minutes.covered_us, 0)
    mean = _mean(minutes.value, covered_us)
    return RecordedInput(
        average=None if mean is None else Decimal(str(round(mean, 3))),
        covered_ms=int(covered_us.sum() // 1000),
        operating_ms=int(operating.sum()) * 60_000,
        valid=True,
        verdict="load",
        verdict_reason="tells the load range",
    )


def _mean(value: NDArray[np.float64], covered_us: NDArray[np.int64]) -> float | None:
    known = covered_us > 0
    return float(np.average(value[known], weights=covered_us[known])) if known.any() else None


def _passed(
    audits: Sequence[Sequence[Audit]], clock_hour: int
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return for each minute of the hour whether no failed audit stands against it, and which."""
    starts_us = (clock_hour * 60 + np.arange(60, dtype=np.int64)) * MINUTE_US
    end_us = int(starts_us[-1]) + MINUTE_US
    passed = np.ones(60, dtype=bool)
    reasons = []
    for period in (p for of_channel in audits for p in failed_periods(of_channel, until_us=end_us)):
        to_us = end_us if period.to_us is None else period.to_us
        counts = (starts_us + MINUTE_US <= period.from_us) | (starts_us >= to_us)
        if not counts.all():
            passed &= counts
            reasons.append(period.reason)
    return passed, tuple(reasons)
