"""Rows of which nobody can tell what was known have no figure at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.hour_columns import HourColumns
from services.core.store.computation.hours_then import HoursThen
from services.core.store.emissions.hour_quality import QUALITIES
from services.core.store.schema.figures import IN_HOURS, names
from services.core.timeline.instants import HOUR_MS, HOUR_US, to_us

_START = datetime(2026, 3, 1, tzinfo=UTC)


def columns(then: HoursThen, *, ug: int = 5) -> EmissionColumns:
    """Two days of one source, each hour of which emitted as much."""
    buckets = Buckets.between([_START + timedelta(days=day) for day in range(3)])
    hours = HourColumns(
        source_id=np.full(48, 1),
        hour_us=to_us(_START) + HOUR_US * np.arange(48),
        figures={
            **{name: np.full(48, ug) for name in names(IN_HOURS)},
            "covered_ms": np.full(48, HOUR_MS),
            "estimated_ms": np.full(48, 0),
        },
        has_activity=np.full(48, True),
        version=np.full(48, 1),
        final=np.full(48, True),
        quality=np.full(48, QUALITIES.index("measured")),
        code=np.full(48, -1),
        codes=(),
    )
    grid = emissions._Grid([1], 2)
    read = emissions._ReadHours(grid, buckets)
    read.add(hours)
    return emissions._of_sums(
        grid,
        buckets,
        read,
        now=_START + timedelta(days=9),
        unknown=emissions._lost(grid, buckets, then),
    )


def test_a_row_with_an_hour_that_is_lost_has_no_figure() -> None:
    hour = int(_START.timestamp()) // 3600 + 25
    answer = columns(HoursThen(figures={}, unknown={(1, hour): "dropped"}))
    assert answer.known.tolist() == [True, False]
    assert answer.has_activity.tolist() == [True, False]
    assert answer.masses_ug["co2_ug"][0] == 24 * 5
    assert answer.covered_ms.tolist() == [24 * HOUR_MS, 0]
    assert answer.final.tolist() == [True, False]
    assert [QUALITIES[quality] for quality in answer.quality] == ["measured", "missing"]
    assert answer.unknown == {1: "dropped"}


def test_a_sum_may_be_larger_than_an_hour_can_be() -> None:
    """A year of the largest plants leaves 64 bits."""
    answer = columns(HoursThen(figures={}, unknown={}), ug=2**62 + 1)
    assert answer.masses_ug["co2_ug"].tolist() == [24 * (2**62 + 1)] * 2
