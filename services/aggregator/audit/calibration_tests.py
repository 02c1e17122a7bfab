"""Judge the calibrations of monitors again: whether their data count hangs on these tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import psycopg

from services.aggregator import calibrations as tick_calibrations
from services.core.accounting.stack.qa import CalibrationTest
from services.core.store.readings import calibrations
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import HOUR_US, MINUTE_US


def wrong(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    channels: Collection[int],
    hours: tuple[int, int],
) -> Iterator[tuple[int, str]]:
    """Return the hours in which a test of a channel is not what its readings come to.

    ``hours``: first and last since the epoch; of the plan that is in force.
    """
    first_us, end_us = hours[0] * HOUR_US, (hours[1] + 1) * HOUR_US
    for channel_id in channels:
        if channel_id not in plan.calibrations:
            continue
        computed = {
            test.ts_us: test
            for test in tick_calibrations.tests_ended(
                connection,
                channel_id,
                plan.calibrations[channel_id],
                first_us // MINUTE_US,
                end_us // MINUTE_US,
            )
        }
        stored = {
            test.ts_us: test
            for test in calibrations.tests(connection, channel_id, first_us, end_us)
            if test.ts_us >= first_us
        }
        for ts_us in sorted({*computed, *stored}):
            if computed.get(ts_us) == stored.get(ts_us):
                continue
            was, is_now = _description(stored.get(ts_us)), _description(computed.get(ts_us))
            name = plan.channel_names[channel_id]
            yield ts_us // HOUR_US, f"the calibration test of {name} {was} and by readings {is_now}"


def _description(test: CalibrationTest | None) -> str:
    if test is None:
        return "is not there"
    return f"{'passed' if test.passed else 'failed'} ({test.detail})"
