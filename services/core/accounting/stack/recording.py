"""Recording an hour: each input judged alone, its average as the rule records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.stack.audits import Audit, failed_periods, in_force
from services.core.accounting.stack.inputs import Input
from services.core.accounting.stack.validity import HourOfReadings, ValidityPolicy
from services.core.timeline.instants import MINUTE_US

OPERATING = "operating"
"""Name among the inputs of the channel that tells whether the unit operates."""

LOAD = "load"
"""Name among the inputs, and the recorded ones, of the unit's load."""


@dataclass(frozen=True, kw_only=True)
class InputMinutes:
    """One input over the 60 minutes of an hour, in the equation's unit.

    `assured[m]` is False where the monitor was out of control in minute m; `excused` whether
    readings say that there was calibration or maintenance.
    """

    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    assured: NDArray[np.bool_]
    excused: bool


@dataclass(frozen=True, kw_only=True)
class RecordedInput:
    """An input's hour as recorded: its average in the equation's unit, and whether it is valid.

    `average` is adjusted by the bias factor of the last audit; `unadjusted` is what it was before,
    None where no factor applies.
    """

    average: Decimal | None
    unadjusted: Decimal | None = None
    covered_ms: int
    operating_ms: int
    valid: bool
    verdict: str
    verdict_reason: str


def record_input(
    item: Input,
    minutes: InputMinutes,
    *,
    operating: NDArray[np.bool_],
    validity: ValidityPolicy,
    audits: Sequence[Audit],
    clock_hour: int,
) -> RecordedInput:
    """Judge one input's hour by the validity policy and record its average.

    The average is rounded as recorded, then multiplied by the bias factor in force and rounded
    again, the way EPA's checking code adjusts an hour.
    """
    assured = minutes.assured & _passed(audits, clock_hour)
    covered_us = np.where(assured & operating, minutes.covered_us, 0)
    verdict = validity.evaluate(
        HourOfReadings.of_minutes(
            (covered_us / 1e6).tolist(),
            operating_minutes=operating.tolist(),
            excused=minutes.excused,
        )
    )
    average, unadjusted = item.record(_mean(minutes.value, covered_us)), None
    audit = in_force(audits, clock_hour=clock_hour)
    if audit is not None and audit.bias_factor != 1 and average is not None:
        average, unadjusted = item.record(average * audit.bias_factor), average
    out = int((~assured).sum())
    return RecordedInput(
        average=average,
        unadjusted=unadjusted,
        covered_ms=int(covered_us.sum() // 1000),
        operating_ms=int(operating.sum()) * 60_000,
        valid=verdict.valid,
        verdict=verdict.code,
        verdict_reason=verdict.reason + (f"; {out} minutes out of control" if out else ""),
    )


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


def _passed(audits: Sequence[Audit], clock_hour: int) -> NDArray[np.bool_]:
    """Of each minute of the hour whether no failed audit stands against its data."""
    starts_us = (clock_hour * 60 + np.arange(60, dtype=np.int64)) * MINUTE_US
    end_us = int(starts_us[-1]) + MINUTE_US
    passed = np.ones(60, dtype=bool)
    for period in failed_periods(audits, until_us=end_us):
        to_us = end_us if period.to_us is None else period.to_us
        passed &= (starts_us + MINUTE_US <= period.from_us) | (starts_us >= to_us)
    return passed
