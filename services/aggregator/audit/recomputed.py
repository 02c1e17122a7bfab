"""Compute hours anew from their readings, beside what is stored: nothing of it is kept.

Hours of a source under a rule are judged as closing judges them, which writes; the caller runs in a
transaction that holds the facility and is rolled back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator import close_hours, compute
from services.aggregator.ranges import Ranges
from services.core.store.emissions import hour_inputs
from services.core.store.emissions.minutes_and_hours import SourceMinutes
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class HourFigures:
    """One hour's figures in the database's integers."""

    co2_ug: int
    co2e_ug: int
    market_ug: int
    activity_n: int
    covered_ms: int


NOTHING = HourFigures(co2_ug=0, co2e_ug=0, market_ug=0, activity_n=0, covered_ms=0)


def hours(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source_id: int,
    wanted: Collection[int],
    now: datetime,
) -> dict[int, HourFigures]:
    """Figures of the ``wanted`` hours (since the epoch) of one source of the plan."""
    first, last = min(wanted), max(wanted)
    upto = min(last * 60 + 59, int(now.timestamp()) // 60)
    if upto < first * 60:
        return {}
    (computed,) = compute.sources(
        StoredReadings(connection), plan, Ranges.of({source_id: [(first * 60, upto)]})
    )
    found = _sums(computed, first, last)
    if plan.sources[source_id].closing is not None:
        have = hour_inputs.recorded_hours(connection, source_id, first, last)
        judged = close_hours.judge(connection, plan, {source_id: have}, now) if have else None
        for verdict in judged.verdicts if judged else ():
            if verdict.co2_ug is not None and verdict.hour in found:
                found[verdict.hour] = _closed(found[verdict.hour], verdict.co2_ug)
    return {hour: found[hour] for hour in wanted}


def _closed(minutes: HourFigures, co2_ug: int) -> HourFigures:
    """Return what closing adds to the sum of the minutes it adds to all three masses."""
    added = co2_ug - minutes.co2_ug
    return HourFigures(
        co2_ug=co2_ug,
        co2e_ug=minutes.co2e_ug + added,
        market_ug=minutes.market_ug + added,
        activity_n=minutes.activity_n,
        covered_ms=minutes.covered_ms,
    )


def _sums(computed: SourceMinutes, first: int, last: int) -> dict[int, HourFigures]:
    at = computed.minutes // 60 - first

    def summed(values: NDArray[np.int64] | None) -> list[int]:
        sums = np.zeros(last - first + 1, dtype=np.int64)
        if values is not None:
            np.add.at(sums, at, values)
        return [int(each) for each in sums]

    columns = zip(
        summed(computed.co2_ug),
        summed(computed.co2e_ug),
        summed(computed.market_ug),
        summed(computed.activity_n),
        summed(computed.covered_ms),
        strict=True,
    )
    return {
        first + i: HourFigures(
            co2_ug=co2, co2e_ug=co2e, market_ug=market, activity_n=activity, covered_ms=covered
        )
        for i, (co2, co2e, market, activity, covered) in enumerate(columns)
    }
