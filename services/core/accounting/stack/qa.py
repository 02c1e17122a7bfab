"""Quality assurance of a monitor: daily calibrations and relative accuracy audits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from services.core.accounting.stack.rounding import ARITHMETIC, half_away
from services.core.accounting.units import Conversion
from services.core.timeline.instants import MINUTE_US

SAME_TEST_US = 15 * MINUTE_US
"""Calibration readings no farther apart than this belong to one test: tonne's own rule."""

LEAST_RUNS = 9
"""Runs of a relative accuracy test audit (EPA's checking code requires nine)."""


class Monitor(StrEnum):
    """What a monitor measures, as far as its quality assurance differs."""

    CO2 = "co2"
    O2 = "o2"
    MOISTURE = "h2o"
    FLOW = "flow"


@dataclass(frozen=True, kw_only=True)
class CalibrationError:
    """The error of one injection: in % CO2 or O2, or in % of span for flow."""

    error: Decimal
    limit: Decimal

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit that keeps the monitor in control."""
        return self.error <= self.limit


def calibration_error(
    monitor: Monitor, *, reference: Decimal, response: Decimal, span: Decimal | None = None
) -> CalibrationError:
    """Return the calibration error of one zero or upscale injection, 1 decimal.

    CO2 and O2: |reference - response| in % CO2 or O2, at most 1.0. Flow: that as % of `span`, at
    most 6.0 (EPA's checking code, daily calibration checks). ValueError for flow without a span
    and for moisture, for which there is no such test.
    """
    difference = abs(reference - response)
    if monitor in (Monitor.CO2, Monitor.O2):
        return CalibrationError(error=half_away(difference, 1), limit=Decimal("1.0"))
    if monitor is Monitor.FLOW:
        if span is None or span <= 0:
            raise ValueError("the calibration error of a flow monitor needs its span: give `span`")
        with localcontext(ARITHMETIC):
            share = difference / span * 100
        return CalibrationError(error=half_away(share, 1), limit=Decimal("6.0"))
    raise ValueError(f"there is no daily calibration error test for {monitor}")


@dataclass(frozen=True, kw_only=True)
class CalibrationTest:
    """One daily calibration: when it ended (microseconds UTC) and whether it passed."""

    ts_us: int
    passed: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class CalibrationSetup:
    """What a monitor is tested with: the reference values injected, and its span for flow.

    In % for CO2 and O2, in any one unit for flow.
    """

    monitor: Monitor
    references: tuple[Decimal, ...]
    span: Decimal | None = None

    def tests(self, ts_us: Sequence[int], responses: Sequence[Decimal]) -> list[CalibrationTest]:
        """Find the tests in a monitor's calibration readings, in order of time.

        Readings no more than 15 minutes apart are one test. Within it, successive readings that
        lie nearest the same reference are one injection, and its last reading, when the monitor
        has settled, is the response. A test passes when every injection does.
        """
        return [
            self.test(ts_us[readings.stop - 1], responses[readings]) for readings in _tests(ts_us)
        ]

    def test(self, ended_us: int, responses: Sequence[Decimal]) -> CalibrationTest:
        """Judge the readings of one test."""
        injections: list[tuple[Decimal, Decimal]] = []
        for response in responses:
            reference = min(self.references, key=lambda gas: abs(gas - response))
            if injections and injections[-1][0] == reference:
                injections.pop()
            injections.append((reference, response))
        errors = [
            calibration_error(self.monitor, reference=reference, response=response, span=self.span)
            for reference, response in injections
        ]
        return CalibrationTest(
            ts_us=ended_us,
            passed=all(error.passed for error in errors),
            detail="; ".join(
                f"reference {reference}, response {response}, error {error.error}"
                f" (at most {error.limit})"
                for (reference, response), error in zip(injections, errors, strict=True)
            ),
        )


def _tests(ts_us: Sequence[int]) -> Iterator[slice]:
    """Tell which readings belong to one test."""
    start = 0
    for end in range(1, len(ts_us) + 1):
        if end == len(ts_us) or ts_us[end] - ts_us[end - 1] > SAME_TEST_US:
            yield slice(start, end)
            start = end


@dataclass(frozen=True, kw_only=True)
class CalibrationRule:
    """How a channel's calibration readings are judged, by when.

    `setups` are the instant from which each is in force (None: since ever), the setup, and what
    turns readings as sent into its unit. A test is judged by what is in force when it begins.
    """

    setups: tuple[tuple[int | None, CalibrationSetup, Conversion], ...]

    def tests(self, ts_us: Sequence[int], sent: Sequence[float]) -> list[CalibrationTest]:
        """Find the tests in calibration readings, as they were sent, in order of time."""
        starts = [start or 0 for start, _, _ in self.setups[1:]]
        judgements = []
        for readings in _tests(ts_us):
            _, setup, convert = self.setups[bisect_right(starts, ts_us[readings.start])]
            responses = [Decimal(repr(float(convert(value)))) for value in sent[readings]]
            judgements.append(setup.test(ts_us[readings.stop - 1], responses))
        return judgements


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an audit: the reference method's value and the monitor's, same unit."""

    reference: Decimal
    monitor: Decimal


@dataclass(frozen=True, kw_only=True)
class RelativeAccuracy:
    """The statistics of a relative accuracy test audit.

    Differences, deviation and confidence coefficient in the monitor's unit; relative accuracy in
    %; the bias factor multiplies later readings.
    """

    runs: int
    mean_difference: Decimal
    standard_deviation: Decimal
    confidence_coefficient: Decimal
    relative_accuracy_percent: Decimal
    bias_factor: Decimal


def relative_accuracy(monitor: Monitor, runs: Sequence[Run]) -> RelativeAccuracy:
    """Return the relative accuracy and bias factor of an audit.

    The arithmetic of EPA's checking code: differences reference - monitor, sample deviation,
    confidence coefficient t(0.025) * s / sqrt(n) with t = 1 above 31 runs, relative accuracy
    (|mean| + |cc|) / mean reference at 2 decimals, capped at 999.99. CO2, O2 and moisture never
    carry a bias factor (it is 1); a flow monitor biased low carries 1 + |mean| / mean monitor at
    3 decimals. ValueError below nine runs and for a mean of zero.
    """
    count = len(runs)
    if count < LEAST_RUNS:
        raise ValueError(f"an audit needs at least {LEAST_RUNS} runs, not {count}")
    with localcontext(ARITHMETIC):
        differences = [run.reference - run.monitor for run in runs]
        total = sum(differences, Decimal(0))
        mean = total / count
        squares = (
            sum((difference * difference for difference in differences), Decimal(0))
            - total * total / count
        )
        deviation = (max(squares, Decimal(0)) / (count - 1)).sqrt()
        confidence = t_value(count) * deviation / Decimal(count).sqrt()
        mean_reference = sum((run.reference for run in runs), Decimal(0)) / count
        mean_monitor = sum((run.monitor for run in runs), Decimal(0)) / count
        if mean_reference == 0 or mean_monitor == 0:
            raise ValueError("an audit whose runs average zero has no relative accuracy")
        accuracy = half_away((abs(mean) + abs(confidence)) / mean_reference * 100, 2)
        bias = Decimal("1.000")
        if monitor is Monitor.FLOW and mean > abs(confidence):
            bias = half_away(1 + abs(mean) / mean_monitor, 3)
    return RelativeAccuracy(
        runs=count,
        mean_difference=mean,
        standard_deviation=deviation,
        confidence_coefficient=confidence,
        relative_accuracy_percent=min(accuracy, Decimal("999.99")),
        bias_factor=bias,
    )


def t_value(runs: int) -> Decimal:
    """Return Student's t (one tail of 0.025) for an audit's number of runs; 1 above 31 runs."""
    return _T_025[runs - 2] if runs <= 31 else Decimal(1)


# Student's t, one tail of 0.025, by degrees of freedom 1 to 30.
_TABLE = """
    12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228
    2.201 2.179 2.160 2.145 2.131 2.120 2.110 2.101 2.093 2.086
    2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042
"""
_T_025 = tuple(Decimal(value) for value in _TABLE.split())
