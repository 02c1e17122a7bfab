"""Compute sources over ranges of minutes, from the readings around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.expand import Range, union
from services.core.accounting.series import ChannelRule, MinuteSeries
from services.core.store import reading_series
from services.core.store.emission_writer import SourceMinutes
from services.core.store.registry.plan import FacilityPlan, SourcePlan

_MINUTE_US = 60_000_000


def sources(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    ranges: Mapping[int, list[Range]],
) -> list[SourceMinutes]:
    """Masses of each source over its ranges, in the database's integers."""
    wanted: dict[int, list[Range]] = {}
    for source_id, of_source in ranges.items():
        for channel_id in plan.sources[source_id].inputs.values():
            wanted.setdefault(channel_id, []).extend(of_source)
    found = series(connection, plan.channels, wanted)
    return [
        _masses(plan.sources[source_id], found, of_source)
        for source_id, of_source in ranges.items()
    ]


def series(
    connection: psycopg.Connection[Any],
    rules: Mapping[int, ChannelRule],
    wanted: Mapping[int, Iterable[Range]],
) -> dict[int, list[MinuteSeries]]:
    """The minutes of each channel over its ranges, joined where these lie close together."""
    places: list[tuple[int, Range]] = []
    spans: list[reading_series.Span] = []
    for channel_id, ranges in wanted.items():
        context = rules[channel_id].context
        lead = -(-context.lead_us // _MINUTE_US)
        trail = -(-context.trail_us // _MINUTE_US)
        for first, last in union(ranges):
            places.append((channel_id, (first, last)))
            spans.append(
                reading_series.Span(
                    channel_id=channel_id,
                    first_minute=first - lead,
                    last_minute=last + trail,
                    before=context.before,
                    after=context.after,
                )
            )
    found: dict[int, list[MinuteSeries]] = {}
    for (channel_id, (first, last)), readings in zip(
        places, reading_series.read(connection, spans), strict=True
    ):
        found.setdefault(channel_id, []).append(
            rules[channel_id].minutes(readings.ts_us, readings.value, first, last)
        )
    return found


def _masses(
    source: SourcePlan, series: Mapping[int, list[MinuteSeries]], ranges: list[Range]
) -> SourceMinutes:
    parts = []
    for first, last in ranges:
        minutes = np.arange(first, last + 1, dtype=np.int64)
        inputs = {
            role: containing(series[channel_id], first)
            for role, channel_id in source.inputs.items()
        }
        parts.append((minutes, source.method.masses(inputs, minutes)))
    has_activity = source.method.activity_unit is not None
    activities = [np.asarray(part.activity) for _, part in parts] if has_activity else []
    minutes = np.concatenate([minutes for minutes, _ in parts])
    known = np.concatenate([part.covered_us > 0 for _, part in parts])
    return SourceMinutes(
        source_id=source.id,
        minutes=minutes,
        co2_ug=billionths(minutes, known, [part.co2_kg for _, part in parts]),
        co2e_ug=billionths(minutes, known, [part.co2e_kg for _, part in parts]),
        market_ug=billionths(minutes, known, [part.market_kg for _, part in parts]),
        activity_n=billionths(minutes, known, activities) if has_activity else None,
        activity=np.where(known, np.concatenate(activities), 0.0) if has_activity else None,
        # rounded up: a minute with any mass is a covered one, and its mass is told
        covered_ms=-(-np.concatenate([part.covered_us for _, part in parts]) // 1000),
    )


def billionths(
    minutes: NDArray[np.int64], known: NDArray[np.bool_], values: list[NDArray[np.float64]]
) -> NDArray[np.int64]:
    """Values in whole billionths, so that equal minutes add up to what they are parts of.

    Minute k of its hour gets what the rounded sum of k + 1 such minutes has more than that of k: an
    amount spread evenly over any minutes of an hour keeps its sum, and a minute is off by less than
    one billionth. It depends on the minute alone, never on what else is computed with it. Where
    nothing is known it is 0, so that equal ignorance is equal rows.
    """
    billionths = np.where(known, np.concatenate(values), 0.0) * 1e9
    k = minutes % 60
    rounded = np.floor(billionths * (k + 1) + 0.5) - np.floor(billionths * k + 0.5)
    return rounded.astype(np.int64)


def containing(series: list[MinuteSeries], minute: int) -> MinuteSeries:
    """The one of a channel's series that holds a minute."""
    return next(s for s in series if s.first_minute <= minute < s.first_minute + s.value.size)
