"""Find daily calibrations among the readings that changed, and the hours they speak of."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg

from services.aggregator.invalidations import Invalidations
from services.core.accounting.stack.qa import CalibrationRule, CalibrationTest
from services.core.store.readings import calibrations
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.timeline.instants import HOUR_US, MINUTE_US

#: Looked at before and after changed minutes: no daily test is longer.
_LONGEST_TEST_MINUTES = 120

#: Until further notice: the year 2170, in hours since the epoch.
_FOREVER_H = 1_753_200


def refresh(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    invalidations: Invalidations,
) -> dict[int, tuple[int, int]]:
    """Bring the tests of channels whose readings changed up to date.

    Returns the hours (first and last since the epoch) of each source whose data are newly in or out
    of control.
    """
    hours: dict[int, tuple[int, int]] = {}
    if not plan.calibrations:
        return hours
    for channel_id, (first_minute, last_minute) in invalidations.bounds().items():
        if channel_id not in plan.calibrations:
            continue
        interval = _refresh_channel(
            connection, channel_id, plan.calibrations[channel_id], first_minute, last_minute
        )
        if interval is None:
            continue
        for source_id in plan.fed_by[channel_id]:
            first, last = hours.get(source_id, interval)
            hours[source_id] = (min(first, interval[0]), max(last, interval[1]))
    return hours


def refresh_span(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    first_minute: int,
    last_minute: int,
) -> dict[int, tuple[int, int]]:
    """As :func:`refresh`, for all inputs of a source over a span.

    What they are tested with may have changed.
    """
    ends = np.array([first_minute, last_minute], dtype=np.int64)
    return refresh(
        connection, plan, Invalidations.whole(dict.fromkeys(source.inputs.values(), ends))
    )


def tests_ended(
    connection: psycopg.Connection[Any],
    channel_id: int,
    rule: CalibrationRule,
    first_minute: int,
    end_minute: int,
) -> list[CalibrationTest]:
    """Judge the tests that ended in the minutes, end exclusive, by the readings that are stored.

    What a test began with, or goes on with, may lie outside of them.
    """
    rows = calibrations.readings(
        connection,
        channel_id,
        first_minute - _LONGEST_TEST_MINUTES,
        end_minute + _LONGEST_TEST_MINUTES,
    )
    tests = rule.tests([ts for ts, _ in rows], [value for _, value in rows])
    return [
        test for test in tests if first_minute * MINUTE_US <= test.ts_us < end_minute * MINUTE_US
    ]


def _refresh_channel(
    connection: psycopg.Connection[Any],
    channel_id: int,
    rule: CalibrationRule,
    first_minute: int,
    last_minute: int,
) -> tuple[int, int] | None:
    first = first_minute - _LONGEST_TEST_MINUTES
    end = last_minute + 1 + _LONGEST_TEST_MINUTES
    tests = tests_ended(connection, channel_id, rule, first, end)
    span_us = (first * MINUTE_US, end * MINUTE_US)
    stored = [
        test
        for test in calibrations.tests(connection, channel_id, *span_us)
        if test.ts_us >= span_us[0]
    ]
    if tests == stored:
        return None
    calibrations.replace(connection, channel_id, *span_us, tests)
    differing = [test.ts_us for test in _difference(tests, stored)]
    next_us = calibrations.next_test_us(connection, channel_id, max(differing))
    return (
        min(differing) // HOUR_US,
        _FOREVER_H if next_us is None else next_us // HOUR_US,
    )


def _difference(
    tests: list[CalibrationTest], stored: list[CalibrationTest]
) -> list[CalibrationTest]:
    return [t for t in tests if t not in stored] + [t for t in stored if t not in tests]
