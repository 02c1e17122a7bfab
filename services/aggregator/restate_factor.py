"""Restate hours after a factor changed: from the amounts of their minutes, not from readings.

A step is a part of the hours of every source concerned, in the tick's transaction: the hours with
their ledger and the windows get their masses, the minutes are noted to follow
(:mod:`services.core.store.emissions.deferred_minutes`). The masses are those that computing the
minutes again from their readings gives, to the last digit: the amounts are kept as they were before
rounding, and the same code makes masses of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.core.accounting.methods import ActivityMethod
from services.core.accounting.minute_rounding import billionths, holdable, multipliable
from services.core.store.emissions import (
    cold_minutes,
    deferred_minutes,
    factor_restatement,
    minute_rows,
    window_changes,
)
from services.core.store.emissions.deferred_minutes import DeferredMinutes
from services.core.store.emissions.factor_restatement import Amounts, Masses, Queued
from services.core.store.factor_series.methods import with_hours
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import MASSES, names
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval, bounds

#: Minutes of all sources in one step: about half a second's work, so that live data come between.
#: Four weeks of twenty sources, which is a chunk of them, are fewer, and so is a month of them.
_STEP_MINUTES = 900_000

#: The same where a factor changes by the hour: its minutes follow in the step, for a row of what is
#: to follow for each hour of years would be read by every tick.
_STEP_HOURLY_MINUTES = 40_000

#: Packed days of a source follow in the step too where more than so many hours of it change; until
#: they are opened a few hours are told by what is noted of them.
_NOTED_HOURS = 24

#: Sources lie this far apart in what orders minutes by source: more than minutes since the epoch.
_SOURCE_KEY = 1 << 32

Integers = NDArray[np.int64]


def step(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    noted: Collection[int] = (),
) -> int | None:
    """Restate the next hours that wait for a new factor; return how many that were closed.

    None: nothing waits. Masses that cannot be have no amount to start from: the sources that are
    ``noted`` for them are computed from their readings, and so are those that would have some.
    """
    queued = [
        q
        for q in factor_restatement.queued(connection, plan.id)
        if q.source_id not in plan.set_aside
    ]
    if not queued:
        return None
    methods = {
        source_id: source.method
        for source_id, source in plan.sources.items()
        if isinstance(source.method, ActivityMethod)
    }
    # of a source that is counted otherwise by now another request takes care
    factor_restatement.end(connection, [q.id for q in queued if q.source_id not in methods])
    oldest = {q.source_id: q for q in reversed(queued) if q.source_id in methods}
    if not oldest:
        return 0
    first = min(q.first for q in oldest.values()) // 60 * 60
    stop = factor_restatement.packed_month_end(connection, first)
    if stop is None:
        stop, max_sources = _stop(connection, first, len(oldest)), len(oldest)
    else:
        # a packed month is restated as a whole: it would be packed anew for each part of it
        max_sources = max(1, _STEP_MINUTES // (stop - first))
    if any(methods[source_id].series for source_id in oldest):
        stop = min(stop, first + max(1, _STEP_HOURLY_MINUTES // 60 // len(oldest)) * 60)
    # a source's own requests come one after the other, in the order in which they were made
    chosen = [q for q in sorted(oldest.values(), key=_begin)[:max_sources] if q.first < stop]
    source_ids = [q.source_id for q in chosen]
    amounts = factor_restatement.amounts(connection, source_ids, first, stop)
    methods |= with_hours(
        connection, {i: methods[i] for i in source_ids}, np.arange(first // 60, stop // 60)
    )
    # of a fuel that is measured the amount alone does not tell the gases
    measured = {source_id for source_id in source_ids if methods[source_id].fuel is not None}
    unknown = amounts.unknown.union(set(noted).intersection(source_ids), measured)
    if unknown:
        factor_restatement.from_readings(connection, unknown)
        return 0
    windows = [(q, q.first // 60 * 60, min(-(-q.stop // 60) * 60, stop)) for q in chosen]
    pieces = [
        piece for q, begin, end in windows for piece in _pieces(q, methods[q.source_id], begin, end)
    ]
    masses = _masses(amounts, pieces)
    if masses.beyond:
        factor_restatement.from_readings(connection, masses.beyond)
        return 0
    restated = _restate(connection, masses.minutes, amounts, chosen, changed)
    deferred_minutes.add(connection, plan.id, pieces)
    _follow_by_hour(connection, plan, [p for p in pieces if methods[p.source_id].series])
    factor_restatement.end(connection, [q.id for q in chosen if q.stop <= stop])
    factor_restatement.advance(connection, {q.id: stop for q in chosen if q.stop > stop})
    return restated


def _begin(q: Queued) -> tuple[int, int]:
    return q.first, q.source_id


def _follow_by_hour(
    connection: psycopg.Connection[Any], plan: FacilityPlan, pieces: Sequence[DeferredMinutes]
) -> None:
    """Let minutes follow factors by the hour that were noted for them."""
    by_source = {
        source_id: list(of_source)
        for source_id, of_source in groupby(pieces, lambda piece: piece.source_id)
    }
    intervals = {i: [bounds(p.interval for p in part)] for i, part in by_source.items()}
    deferred_minutes.settle(connection, plan.id, intervals)
    many = [i for i, of_source in by_source.items() if len(of_source) > _NOTED_HOURS]
    if not many:
        return
    keys = np.concatenate(
        [minute_rows.key(np.array([i]), _each_day(intervals[i][0])) for i in sorted(many)]
    )
    cold = cold_minutes.read(connection, keys)
    if cold is not None and cold.follow:
        cold_minutes.write(connection, cold, cold.rows(), plan)


def _each_day(interval: Interval) -> Integers:
    """Return a minute of each day of an interval, ascending."""
    days = np.arange(interval.start // DAY_MINUTES, -(-interval.end // DAY_MINUTES))
    return np.maximum(days * DAY_MINUTES, interval.start)


def _stop(connection: psycopg.Connection[Any], first: int, sources: int) -> int:
    """Return the hour's end up to which a step from minute ``first`` goes."""
    stop = first + max(1, _STEP_MINUTES // 60 // sources) * 60
    # what lies in one chunk is read in one go; a part of it costs as much
    chunk_ends = factor_restatement.chunk_end(connection, first)
    return stop if chunk_ends is None else min(stop, -(-chunk_ends // 60) * 60)


def _pieces(q: Queued, method: ActivityMethod, first: int, stop: int) -> list[DeferredMinutes]:
    """Return the factors of a source, each with its minutes, from ``first`` to ``stop``."""
    cuts = [first, *(cut for cut in method.changes() if first < cut < stop), stop]
    per_unit = method.per_unit(np.array(cuts[:-1], dtype=np.int64))
    columns = [multipliable(getattr(per_unit, mass.in_kg)) for mass in MASSES]
    return [
        DeferredMinutes(
            source_id=q.source_id,
            interval=Interval(start=begin, end=end),
            per_unit_kg=tuple(float(column[i]) for column in columns),
        )
        for i, (begin, end) in enumerate(pairwise(cuts))
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Computed:
    """Masses of minutes, and the sources of which some cannot be."""

    minutes: Masses
    beyond: set[int]


def _masses(amounts: Amounts, pieces: Sequence[DeferredMinutes]) -> _Computed:
    """Masses of the minutes in the pieces, by source and minute."""
    key = amounts.source * _SOURCE_KEY + amounts.minute
    order = np.argsort(key, kind="stable")
    key = key[order]
    # every minute's piece: the last one of its source that begins before
    ordered = sorted(pieces, key=lambda piece: (piece.source_id, piece.interval.start))
    begins = np.array([piece.source_id * _SOURCE_KEY + piece.interval.start for piece in ordered])
    ends = np.array([piece.source_id * _SOURCE_KEY + piece.interval.end for piece in ordered])
    piece = np.searchsorted(begins, key, side="right") - 1
    inside = (piece >= 0) & (key < ends[np.maximum(piece, 0)])
    order, piece = order[inside], piece[inside]
    source, minute = amounts.source[order], amounts.minute[order]
    activity = amounts.activity[order]
    known = np.ones(minute.size, dtype=bool)
    masses: dict[str, Integers] = {}
    beyond: set[int] = set()
    factors: dict[str, NDArray[np.float64]] = {}
    for i, name in enumerate(names(MASSES)):
        factors[name] = np.array([piece.per_unit_kg[i] for piece in ordered])
        same = next((n for n in masses if np.array_equal(factors[n], factors[name])), None)
        if same is not None:
            masses[name] = masses[same]
            continue
        kg = activity * factors[name][piece]
        storable = holdable(kg)
        beyond.update(source[~storable].tolist())
        masses[name] = billionths(minute, known & storable, kg)
    return _Computed(minutes=Masses(source=source, minute=minute, ug=masses), beyond=beyond)


def _restate(
    connection: psycopg.Connection[Any],
    minutes: Masses,
    amounts: Amounts,
    chosen: Sequence[Queued],
    changed: ChangedRanges,
) -> int:
    """Write hours and windows; return how many closed hours changed."""
    if not minutes.minute.size:
        return 0
    reasons = {q.source_id: q.reason for q in chosen}
    begins = _hours_begin(minutes)
    hours = _hours(minutes, begins, amounts)
    changes, closed = factor_restatement.write_hours(connection, hours, reasons)
    split = window_changes.in_boundary_hour(connection, changes.source, changes.minute)
    of_edges = _differences(connection, minutes, hours, begins, changes.where(split))
    factor_restatement.change_windows(connection, changes.where(~split).plus(of_edges))
    for source_id in np.unique(changes.source).tolist():
        first = changes.minute[changes.source == source_id]
        changed.add_range(source_id, int(first.min()), int(first.max()) + 59, reasons[source_id])
    return closed


def _hours_begin(minutes: Masses) -> Integers:
    """Where in the minutes each hour of a source begins."""
    hour = minutes.minute // 60
    new = np.ones(hour.size, dtype=bool)
    new[1:] = (hour[1:] != hour[:-1]) | (minutes.source[1:] != minutes.source[:-1])
    return np.flatnonzero(new)


def _hours(minutes: Masses, begins: Integers, amounts: Amounts) -> Masses:
    """Sum each hour, with what closing added to it."""
    source, minute = minutes.source[begins], minutes.minute[begins] // 60 * 60
    key = source * _SOURCE_KEY + minute
    closed_source, closed_minute, closing_ug = amounts.closing
    closed = closed_source * _SOURCE_KEY + closed_minute // 60 * 60
    here = np.isin(closed, key)
    added = np.zeros(key.size, dtype=np.int64)
    np.add.at(added, np.searchsorted(key, closed[here]), closing_ug[here])
    return Masses(
        source=source,
        minute=minute,
        ug={
            # a source that has a factor has no biogenic share that closing could add to
            mass.name: np.add.reduceat(minutes.ug[mass.name], begins)
            + added * (mass.closing == MASSES[0].closing)
            for mass in MASSES
        },
    )


def _differences(
    connection: psycopg.Connection[Any],
    minutes: Masses,
    hours: Masses,
    begins: Integers,
    chosen: Masses,
) -> Masses:
    """By how much each minute of the chosen hours changes."""
    key = hours.source * _SOURCE_KEY + hours.minute
    hour = np.searchsorted(key, chosen.source * _SOURCE_KEY + chosen.minute)
    sizes = np.diff(np.append(begins, minutes.minute.size))
    selected = np.zeros(minutes.minute.size, dtype=bool)
    for begin, size in zip(begins[hour].tolist(), sizes[hour].tolist(), strict=True):
        selected[begin : begin + size] = True
    new = minutes.where(selected)
    before = factor_restatement.minutes_in_force(
        connection, list(zip(chosen.source.tolist(), chosen.minute.tolist(), strict=True))
    )
    keys = zip(new.source.tolist(), new.minute.tolist(), strict=True)
    old = np.array([before[minute] for minute in keys], dtype=np.int64).reshape(-1, len(MASSES))
    return Masses(
        source=new.source,
        minute=new.minute,
        ug={name: new.ug[name] - old[:, i] for i, name in enumerate(names(MASSES))},
    )
