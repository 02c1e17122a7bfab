"""Which minutes of hours that are closed a source's monitors were in control, and why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.control import Operation, OutOfControl, in_grace, out_of_control
from services.core.accounting.stack.deadlines import OperatingHours, Term, terms
from services.core.accounting.stack.qa import CalibrationTest
from services.core.store.emissions import hour_inputs
from services.core.store.readings import calibrations
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.timeline.instants import HOUR_US, MINUTE_US

IN_GRACE = "daily calibration not due yet: the unit has just started again (IC-Grace)"


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorControl:
    """The tests of a source's channels, by channel id, and the unit's operation.

    ``terms`` are those of the audits that have deadlines.
    """

    tests: Mapping[int, list[CalibrationTest]]
    operation: Mapping[int, Operation]
    periods: Mapping[int, tuple[OutOfControl, ...]]
    terms: Mapping[int, tuple[Term, ...]]

    def of_hour(
        self, channels: Collection[int], hour: int
    ) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
        """Return which minutes of an hour since the epoch count, and what is to be said of it."""
        starts_us = (hour * 60 + np.arange(60, dtype=np.int64)) * MINUTE_US
        assured = np.ones(60, dtype=bool)
        notes = []
        for channel in channels:
            for period in self.periods.get(channel, ()):
                counts = _counts(starts_us, period)
                if not counts.all():
                    assured &= counts
                    notes.append(f"daily calibration: {period.reason}")
            for term in self.terms.get(channel, ()):
                if term.out_of_control is not None:
                    assured &= _counts(starts_us, term.out_of_control)
                if note := term.says(hour):
                    notes.append(note)
            if channel in self.tests and in_grace(
                self.tests[channel], clock_hour=hour, operation=self.operation[channel]
            ):
                notes.append(IN_GRACE)
        return assured, tuple(dict.fromkeys(notes))


def _counts(starts_us: NDArray[np.int64], period: OutOfControl) -> NDArray[np.bool_]:
    counts: NDArray[np.bool_] = starts_us + MINUTE_US <= period.from_us
    return counts if period.to_us is None else counts | (starts_us >= period.to_us)


def read(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    hours: Collection[int],
    *,
    first_known: int | None,
    operates: Mapping[int, bool],
) -> MonitorControl:
    """Read what the hours' control follows from.

    ``operates`` tells of hours whether the unit operates in them, whatever is recorded of them.
    """
    first, end = min(hours), max(hours) + 1
    tests, operation, periods = {}, {}, {}
    for channel in sorted(set(source.inputs.values()) & set(plan.calibrations)):
        of_channel = calibrations.tests(connection, channel, first * HOUR_US, end * HOUR_US)
        tested_before = bool(of_channel) and of_channel[0].ts_us < first * HOUR_US
        start = of_channel[0].ts_us // HOUR_US if tested_before else first_known
        idle = set[int]()
        if start is not None:
            idle = _idle(connection, source, rule, start, end, operates)
        tests[channel] = of_channel
        operation[channel] = Operation(idle=idle, first_hour=None if tested_before else first_known)
        periods[channel] = out_of_control(
            of_channel, until_us=end * HOUR_US, operation=operation[channel]
        )
    return MonitorControl(
        tests=tests,
        operation=operation,
        periods=periods,
        terms=_terms(connection, plan, source, rule, end, operates),
    )


def _terms(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    end: int,
    operates: Mapping[int, bool],
) -> dict[int, tuple[Term, ...]]:
    tested = {role: rule.audits[role] for role in sorted(rule.with_deadlines & set(rule.audits))}
    if not tested:
        return {}
    first = min(audit.ts_us for audits in tested.values() for audit in audits) // HOUR_US
    operating = OperatingHours.but(_idle(connection, source, rule, first, end, operates))
    return {
        source.inputs[role]: terms(audits, operating=operating, zone=plan.zone)
        for role, audits in tested.items()
    }


def _idle(
    connection: psycopg.Connection[Any],
    source: SourcePlan,
    rule: ClosingRule,
    first: int,
    end: int,
    operates: Mapping[int, bool],
) -> set[int]:
    """Read the hours in which the unit stands still, as far as it is known by ``operates`` too."""
    if rule.operates_above is None:
        return set()
    idle = hour_inputs.idle_hours(connection, source.id, rule.roles[0], first, end)
    idle -= {hour for hour, runs in operates.items() if runs}
    return idle | {hour for hour, runs in operates.items() if not runs}


def affected(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    *,
    first_known: int | None,
    last_recorded: int | None,
    operates: Mapping[int, bool],
) -> set[int]:
    """Find other hours that are in or out of control since these operate, or do not.

    What is recorded of them still tells how it was before.
    """
    is_tested = rule.with_deadlines or set(source.inputs.values()) & set(plan.calibrations)
    if rule.operates_above is None or last_recorded is None or not is_tested:
        return set()
    first, last = min(operates), min(max(operates), last_recorded)
    was_idle = hour_inputs.idle_hours(connection, source.id, rule.roles[0], first, last + 1)
    have = hour_inputs.recorded_hours(connection, source.id, first, last)
    changed = [hour for hour in operates if hour in have and operates[hour] == (hour in was_idle)]
    if not changed:
        return set()
    later = sorted(hour_inputs.recorded_hours(connection, source.id, min(changed), last_recorded))
    before, now = (
        read(connection, plan, source, rule, later, first_known=first_known, operates=running)
        for running in ({}, operates)
    )
    channels = sorted({*before.periods, *before.terms})
    return {
        hour
        for hour in later
        if hour not in operates
        and (before.of_hour(channels, hour)[0] != now.of_hour(channels, hour)[0]).any()
    }
