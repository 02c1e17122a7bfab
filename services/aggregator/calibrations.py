"""Find daily calibrations among the readings that changed, and the hours they speak of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import psycopg

from services.aggregator.invalidations import Touched
from services.core.accounting.stack.qa import CalibrationSetup, CalibrationTest
from services.core.accounting.units import Conversion
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
    touched: Touched,
) -> dict[int, tuple[int, int]]:
    """Bring the tests of touched channels up to date.

    Returns the hours (first and last since the epoch) of each source whose data are newly in or out
    of control.
    """
    concerned: dict[int, tuple[int, int]] = {}
    if not plan.calibrations:
        return concerned
    for channel_id, (first_minute, last_minute) in touched.bounds().items():
        if channel_id not in plan.calibrations:
            continue
        span = _refresh_channel(
            connection, channel_id, plan.calibrations[channel_id], first_minute, last_minute
        )
        if span is None:
            continue
        for source_id in plan.fed_by[channel_id]:
            first, last = concerned.get(source_id, span)
            concerned[source_id] = (min(first, span[0]), max(last, span[1]))
    return concerned


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
    return refresh(connection, plan, Touched.whole(dict.fromkeys(source.inputs.values(), ends)))


def _refresh_channel(
    connection: psycopg.Connection[Any],
    channel_id: int,
    setup: tuple[CalibrationSetup, Conversion],
    first_minute: int,
    last_minute: int,
) -> tuple[int, int] | None:
    first = first_minute - _LONGEST_TEST_MINUTES
    end = last_minute + 1 + _LONGEST_TEST_MINUTES
    rule, convert = setup
    rows = calibrations.readings(connection, channel_id, first, end)
    found = rule.tests(
        [ts for ts, _ in rows], [Decimal(repr(float(convert(value)))) for _, value in rows]
    )
    span_us = (first * MINUTE_US, end * MINUTE_US)
    stored = [
        test
        for test in calibrations.tests(connection, channel_id, *span_us)
        if test.ts_us >= span_us[0]
    ]
    if found == stored:
        return None
    calibrations.replace(connection, channel_id, *span_us, found)
    differing = [test.ts_us for test in _difference(found, stored)]
    following = calibrations.next_test_us(connection, channel_id, max(differing))
    return (
        min(differing) // HOUR_US,
        _FOREVER_H if following is None else following // HOUR_US,
    )


def _difference(
    found: list[CalibrationTest], stored: list[CalibrationTest]
) -> list[CalibrationTest]:
    return [t for t in found if t not in stored] + [t for t in stored if t not in found]
