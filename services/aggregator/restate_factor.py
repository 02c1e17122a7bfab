"""Restate hours after a factor changed: from the amounts of their minutes, not from readings.

A step is a part of the hours of every source concerned, in the tick's transaction: the hours with
their ledger and the windows get their masses, the minutes are noted to follow
(:mod:`services.core.store.emissions.deferred_minutes`). The masses are those that computing the
minutes again from their readings gives, to the last digit: the amounts are kept as they were before
rounding, and the same code makes masses of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.core.accounting.methods import ActivityMethod
from services.core.accounting.minute_rounding import billionths, holdable, multipliable
from services.core.store.emissions import (
    deferred_minutes,
    factor_restatement,
    window_changes,
)
from services.core.store.emissions.deferred_minutes import DeferredMinutes
from services.core.store.emissions.factor_restatement import Amounts, Masses, Queued
from services.core.store.factor_series.methods import with_hours
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import MASSES, names
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval

#: Minutes of all sources in one step: about half a second's work, so that live data come between.
#: Four weeks of twenty sources, which is a chunk of them, are fewer, and so is a month of them.
_STEP_MINUTES = 900_000

#: Sources lie this far apart in what orders minutes by source: more than minutes since the epoch.
_SOURCE_KEY = 1 << 32

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    pieces = _Pieces.joined(
        _pieces(q, methods[q.source_id], q.first // 60 * 60, min(-(-q.stop // 60) * 60, stop))
        for q in sorted(chosen, key=lambda q: q.source_id)
    )
    masses = _masses(amounts, pieces)
    if masses.beyond:
        factor_restatement.from_readings(connection, masses.beyond)
        return 0
    restated = _restate(connection, masses.minutes, amounts, chosen, changed)
    deferred_minutes.add(connection, plan.id, pieces.deferred())
    factor_restatement.end(connection, [q.id for q in chosen if q.stop <= stop])
    factor_restatement.advance(connection, {q.id: stop for q in chosen if q.stop > stop})
    return restated


def _begin(q: Queued) -> tuple[int, int]:
    return q.first, q.source_id


def _stop(connection: psycopg.Connection[Any], first: int, sources: int) -> int:
    """Return the hour's end up to which a step from minute ``first`` goes."""
    stop = first + max(1, _STEP_MINUTES // 60 // sources) * 60
    # what lies in one chunk is read in one go; a part of it costs as much
    chunk_ends = factor_restatement.chunk_end(connection, first)
    return stop if chunk_ends is None else min(stop, -(-chunk_ends // 60) * 60)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pieces:
    """Minutes of sources that have one factor each, ascending by source and time."""

    source: Integers
    #: first minute
    begin: Integers
    #: exclusive
    end: Integers
    #: of each mass, in rows, the kg per unit of each piece
    per_unit_kg: Floats

    @classmethod
    def joined(cls, parts: Iterable[_Pieces]) -> _Pieces:
        """Return the pieces of ascending sources, of which there is one at least."""
        every = list(parts)
        return cls(
            source=np.concatenate([part.source for part in every]),
            begin=np.concatenate([part.begin for part in every]),
            end=np.concatenate([part.end for part in every]),
            per_unit_kg=np.concatenate([part.per_unit_kg for part in every], axis=1),
        )

    def deferred(self) -> list[DeferredMinutes]:
        """Return them to be followed: those of one day that change on the hour as one."""
        days, last_days = self.begin // DAY_MINUTES, (self.end - 1) // DAY_MINUTES
        joins = np.zeros(self.begin.size, dtype=bool)
        joins[1:] = (
            (self.source[1:] == self.source[:-1])
            & (days[1:] == days[:-1])
            & (last_days[1:] == days[1:])
            & (self.begin[1:] % 60 == 0)
        )
        hours = (self.end - 1) // 60 - self.begin // 60 + 1
        bounds = np.append(np.flatnonzero(~joins), joins.size).tolist()
        return [
            DeferredMinutes(
                source_id=int(self.source[first]),
                interval=Interval(start=int(self.begin[first]), end=int(self.end[stop - 1])),
                per_unit_kg=tuple(
                    tuple(np.repeat(kg[first:stop], hours[first:stop]).tolist())
                    if stop - first > 1
                    else (float(kg[first]),)
                    for kg in self.per_unit_kg
                ),
            )
            for first, stop in pairwise(bounds)
        ]


def _pieces(q: Queued, method: ActivityMethod, first: int, stop: int) -> _Pieces:
    """Return the factors of a source, each with its minutes, from ``first`` to ``stop``."""
    changes = np.array(method.changes(), dtype=np.int64)
    begin = np.append(first, changes[(changes > first) & (changes < stop)])
    per_unit = method.per_unit(begin)
    return _Pieces(
        source=np.full(begin.size, q.source_id),
        begin=begin,
        end=np.append(begin[1:], stop),
        per_unit_kg=np.stack([multipliable(getattr(per_unit, mass.in_kg)) for mass in MASSES]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Computed:
    """Masses of minutes, and the sources of which some cannot be."""

    minutes: Masses
    beyond: set[int]


def _masses(amounts: Amounts, pieces: _Pieces) -> _Computed:
    """Masses of the minutes in the pieces, by source and minute."""
    key = amounts.source * _SOURCE_KEY + amounts.minute
    order = np.argsort(key, kind="stable")
    key = key[order]
    # every minute's piece: the last one of its source that begins before
    begins = pieces.source * _SOURCE_KEY + pieces.begin
    ends = pieces.source * _SOURCE_KEY + pieces.end
    piece = np.searchsorted(begins, key, side="right") - 1
    inside = (piece >= 0) & (key < ends[np.maximum(piece, 0)])
    order, piece = order[inside], piece[inside]
    source, minute = amounts.source[order], amounts.minute[order]
    activity = amounts.activity[order]
    known = np.ones(minute.size, dtype=bool)
    masses: dict[str, Integers] = {}
    beyond: set[int] = set()
    factors = dict(zip(names(MASSES), pieces.per_unit_kg, strict=True))
    for name, per_unit_kg in factors.items():
        same = next((n for n in masses if np.array_equal(factors[n], per_unit_kg)), None)
        if same is not None:
            masses[name] = masses[same]
            continue
        kg = activity * per_unit_kg[piece]
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
