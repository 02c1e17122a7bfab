"""Evaluate thresholds: those whose values this tick changed, and all of them in a new minute.

Part of the tick's transaction: transitions, alerts and messages are committed together with the
totals that they follow from, or none of them is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.alerts import raise_alerts
from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.aggregator.alerts.raise_alerts import Outlook
from services.core.accounting.alerting.history import Revised, revise
from services.core.accounting.alerting.measures.values import Values
from services.core.accounting.alerting.states import States, Transition, fold
from services.core.accounting.alerting.verdicts import (
    CLEAR,
    UNKNOWN,
    Verdicts,
    minutes_to_limit,
)
from services.core.runtime import metrics
from services.core.store.alerts import history
from services.core.store.alerts.values.read import values
from services.core.store.emissions import facility_progress
from services.core.store.emissions.facility_progress import Progress
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.watch_plan import WatchPlan
from services.core.timeline.instants import DAY_MINUTES

#: Data that is later than this changes no alert.
_MAX_MINUTES = 35 * DAY_MINUTES

#: Minutes this new are evaluated together, whatever changed in which of them.
_NEWEST_MINUTES = 5

#: Values held in memory at once, of each kind.
_MAX_VALUES = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Evaluated:
    """The transitions of some thresholds from a minute on; thresholds by their index."""

    transitions: list[Transition]
    #: what each follows from, by index and minute
    outlooks: dict[tuple[int, int], Outlook]
    #: the newest value by index, and the minute that it is of
    present: dict[int, history.Present]


def thresholds(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    now: datetime,
    progress: Progress,
) -> None:
    """Evaluate all that changed, up to ``now``; write transitions, alerts and messages.

    ``progress``: what the tick that this is part of began with.
    """
    with metrics.aggregator_judge_seconds.time():
        _evaluate(connection, plan, changed, now, progress)


def postpone(
    connection: psycopg.Connection[Any], plan: FacilityPlan, changed: ChangedRanges
) -> None:
    """Leave what changed to a later tick, when windows have been moved up to now."""
    every = (*changed.sources.values(), *changed.channels.values(), *changed.means.values())
    first = [first for first, _ in every]
    if first:
        facility_progress.postpone_evaluation(connection, plan.id, min(first) - 1)


def _evaluate(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    now: datetime,
    progress: Progress,
) -> None:
    current_minute = int(now.timestamp()) // 60
    version, evaluated_to = progress.next_version, progress.evaluated_to
    minute_began = evaluated_to is None or evaluated_to < current_minute
    # a clock that went back must leave nothing unevaluated that changed
    last = max(current_minute, evaluated_to or 0)
    if minute_began:
        raise_alerts.retire(connection, plan, now, version)
        facility_progress.set_evaluated(connection, plan.id, current_minute)
    watch = plan.watch
    if not watch.thresholds:
        return
    first = _first_minutes(watch, changed, evaluated_to, last)
    newest: dict[int, Transition] | None = None
    for selected in _batches(first, last):
        newest = history.newest(connection, plan.id) if newest is None else newest
        _evaluate_batch(
            connection,
            plan,
            changed,
            newest,
            selected,
            int(first[selected].min()),
            last,
            now,
            version,
        )
    if minute_began:
        raise_alerts.announce_muted(connection, plan, now, version)


def _first_minutes(
    watch: WatchPlan, changed: ChangedRanges, evaluated_to: int | None, current_minute: int
) -> NDArray[np.int64]:
    """Return the first minute to evaluate of each threshold; after the current one: none."""
    fresh = current_minute if evaluated_to is None else evaluated_to + 1
    oldest = np.maximum(watch.begins, current_minute - _MAX_MINUTES)
    first = np.full(len(watch.thresholds), fresh, dtype=np.int64)
    for pairs, ranges in (
        (watch.of_sources, changed.sources),
        (watch.of_channels, changed.channels),
        (watch.of_pollutants, changed.means),
    ):
        if not ranges or not pairs.size:
            continue
        ids = np.array(sorted(ranges), dtype=np.int64)
        bounds = np.array([ranges[source] for source in ids.tolist()], dtype=np.int64)
        row = np.searchsorted(ids, pairs[:, 1]).clip(max=ids.size - 1)
        index = pairs[:, 0]
        # what changed long ago may reach none of the minutes that can still be evaluated
        reaches = bounds[row, 1] + watch.reaches[index] >= oldest[index]
        hit = (ids[row] == pairs[:, 1]) & reaches
        np.minimum.at(first, index[hit], bounds[row[hit], 0])
    return np.maximum(first, oldest)


def _batches(first: NDArray[np.int64], current_minute: int) -> list[NDArray[np.int64]]:
    """Return indices of thresholds to evaluate together: of newest minutes, and of late data."""
    due = first <= current_minute
    newest = first > current_minute - _NEWEST_MINUTES
    batches = [np.flatnonzero(due & newest), np.flatnonzero(due & ~newest)]
    return [batch for batch in batches if batch.size]


def _evaluate_batch(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    newest: dict[int, Transition],
    selected: NDArray[np.int64],
    first: int,
    last: int,
    now: datetime,
    version: int,
) -> None:
    watch = plan.watch
    ids = {int(index): watch.thresholds[index].id for index in selected}
    in_batch = set(ids.values())
    of_batch = {i: t for i, t in newest.items() if i in in_batch}
    late = [threshold_id for threshold_id, t in of_batch.items() if t.minute >= first]
    at_start = {i: t for i, t in of_batch.items() if t.minute < first}
    at_start |= history.before(connection, late, first)
    evaluated = _fold(connection, plan, selected, at_start, first, last)
    before = history.since(connection, dict.fromkeys(late, first))
    again = [
        _with_threshold(transition, ids[transition.threshold])
        for transition in evaluated.transitions
    ]
    revised = revise(before, again)
    if revised.retracted or revised.added:
        _write(connection, plan, changed, revised, evaluated, ids, first, now, version)
    # whatever fires now did before, or has just begun to
    firing = {i for i, t in of_batch.items() if t.is_open} | {t.threshold for t in revised.added}
    present = {ids[index]: value for index, value in evaluated.present.items()}
    history.set_present(connection, {i: present[i] for i in sorted(firing)})


def _write(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    changed: ChangedRanges,
    revised: Revised,
    evaluated: _Evaluated,
    ids: Mapping[int, int],
    first: int,
    now: datetime,
    version: int,
) -> None:
    """Write a revised history, and the alerts that follow; ``ids``: of thresholds by index."""
    watch = plan.watch
    index_of = {threshold_id: index for index, threshold_id in ids.items()}
    outlooks = {(ids[i], minute): outlook for (i, minute), outlook in evaluated.outlooks.items()}
    history.revise(
        connection,
        plan.id,
        retracted=revised.retracted,
        added=[(t, outlooks[t.threshold, t.minute].evaluation) for t in revised.added],
        data_version=version,
    )
    revised_ids = {transition.threshold for transition in (*revised.retracted, *revised.added)}
    raise_alerts.reconcile_alerts(
        connection,
        plan,
        changed,
        {threshold_id: watch.thresholds[index_of[threshold_id]] for threshold_id in revised_ids},
        outlooks,
        first=first,
        now=now,
        version=version,
    )


def _fold(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    selected: NDArray[np.int64],
    at_start: dict[int, Transition],
    first: int,
    last: int,
) -> _Evaluated:
    watch = plan.watch
    states = States.inactive(selected.size)
    for row, index in enumerate(selected.tolist()):
        transition = at_start.get(watch.thresholds[index].id)
        if transition is not None:
            states.put(_with_threshold(transition, row))
    limits = watch.limits.select(selected)
    evaluated = _Evaluated(transitions=[], outlooks={}, present={})
    sources = {source for index in selected for source in watch.thresholds[index].sources}
    step = max(60, _MAX_VALUES // max(selected.size, len(sources)))
    for begin in range(first, last + 1, step):
        end = min(last, begin + step - 1)
        part = values(connection, plan.id, watch, selected.tolist(), begin, end)
        verdicts = limits.verdicts(part.value, part.incomplete, part.awaited)
        ahead = limits.verdicts(part.ends)
        # what is not known now is not known for the end
        ahead[(ahead == UNKNOWN) | (verdicts == UNKNOWN)] = CLEAR
        for transition in _folded(watch, states, selected, verdicts, ahead, begin):
            index = int(selected[transition.threshold])
            evaluated.transitions.append(_with_threshold(transition, index))
            evaluated.outlooks[index, transition.minute] = _outlook(
                part, transition, begin, float(limits.limit[transition.threshold])
            )
        value = part.value[:, -1]
        # that nothing is known is of this minute
        of_minute = np.where(np.isnan(value), end, np.minimum(part.known_at[:, -1], end))
        newest = [
            history.Present(value=_known(number), minute=minute)
            for number, minute in zip(value.tolist(), of_minute.tolist(), strict=True)
        ]
        evaluated.present.update(zip(selected.tolist(), newest, strict=True))
    return evaluated


def _folded(
    watch: WatchPlan,
    states: States,
    selected: NDArray[np.int64],
    verdicts: Verdicts,
    ahead: Verdicts,
    first: int,
) -> Sequence[Transition]:
    return fold(
        states,
        verdicts=verdicts,
        ahead=ahead,
        first_minute=first,
        lasts=watch.lasts[selected],
        begins=watch.begins[selected],
    )


def _outlook(part: Values, transition: Transition, first: int, limit: float) -> Outlook:
    cell = (transition.threshold, transition.minute - first)
    rise = float(part.rise[cell])
    known = _known(float(part.value[cell]))
    crosses = None
    if transition.projected and known is not None:
        left = minutes_to_limit(known, limit, rise)
        crosses = None if left is None else transition.minute + left
    return Outlook(evaluation=history.Evaluation(value=known, limit=limit), crosses_minute=crosses)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _with_threshold(transition: Transition, threshold: int) -> Transition:
    return Transition(
        threshold=threshold,
        minute=transition.minute,
        state=transition.state,
        projected=transition.projected,
        since=transition.since,
    )
