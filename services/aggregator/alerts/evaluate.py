"""Judge limits: what this tick changed, and every limit when time moved on.

Part of the tick's transaction: what is found, and what is to be told of it, is there as soon as the
totals are that it follows from, or neither is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.alerts import raise_alerts
from services.aggregator.alerts.changed_ranges import Seen
from services.aggregator.alerts.raise_alerts import Outlook
from services.aggregator.alerts.watched_values import Values, values
from services.core.accounting.alerting.history import revise
from services.core.accounting.alerting.states import States, Transition, fold
from services.core.accounting.alerting.verdicts import (
    CLEAR,
    UNKNOWN,
    Verdicts,
    minutes_to_limit,
)
from services.core.runtime import metrics
from services.core.store.alerts import history
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.watch_plan import WatchPlan

#: Data that is later than this changes no alert.
_MOST_MINUTES = 35 * 1440

#: Minutes this new are judged together, whatever changed in which of them.
_RECENT = 5

#: Values held in memory at once, of each kind.
_MOST_VALUES = 2_000_000

_PROGRESS = """
SELECT sequence + 1, extract(epoch FROM judged_to)::int8 / 60 FROM facility_progress
WHERE facility_id = %s
"""

_JUDGED = """
UPDATE facility_progress SET judged_to = greatest(judged_to, to_timestamp(%s * 60))
WHERE facility_id = %s
"""


_POSTPONED = """
UPDATE facility_progress SET judged_to = least(judged_to, to_timestamp(%s * 60))
WHERE facility_id = %s AND judged_to IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """What judging some thresholds from a minute on came to; thresholds by their index."""

    transitions: list[Transition]
    #: what each was judged by, by index and minute
    outlooks: dict[tuple[int, int], Outlook]


def judge(
    connection: psycopg.Connection[Any], plan: FacilityPlan, seen: Seen, now: datetime
) -> None:
    """Judge all that changed, up to the minute of ``now``; write transitions, alerts, messages."""
    with metrics.aggregator_judge_seconds.time():
        _judge(connection, plan, seen, now)


def postpone(connection: psycopg.Connection[Any], plan: FacilityPlan, seen: Seen) -> None:
    """Judge what changed later on, when windows have been moved up to now."""
    changed = [first for first, _ in (*seen.sources.values(), *seen.channels.values())]
    if changed:
        connection.execute(_POSTPONED, (min(changed) - 1, plan.id))


def _judge(
    connection: psycopg.Connection[Any], plan: FacilityPlan, seen: Seen, now: datetime
) -> None:
    current_minute = int(now.timestamp()) // 60
    row = connection.execute(_PROGRESS, (plan.id,)).fetchone()
    version, judged_to = row if row is not None else (1, None)
    moved = judged_to is None or judged_to < current_minute
    # a clock that went back must not leave what changed unjudged
    upto = max(current_minute, judged_to or 0)
    if moved:
        raise_alerts.retire(connection, plan, now, version)
        connection.execute(_JUDGED, (current_minute, plan.id))
    watch = plan.watch
    if not watch.thresholds:
        return
    first = _first_minutes(watch, seen, judged_to, upto)
    newest: dict[int, Transition] | None = None
    for chosen in _batches(first, upto):
        newest = history.newest(connection, plan.id) if newest is None else newest
        _judge_batch(
            connection, plan, seen, newest, chosen, int(first[chosen].min()), upto, now, version
        )
    if moved:
        raise_alerts.end_silence(connection, plan, now, version)


def _first_minutes(
    watch: WatchPlan, seen: Seen, judged_to: int | None, current_minute: int
) -> NDArray[np.int64]:
    """From which minute on each threshold is to be judged; later than the current one: not now."""
    fresh = current_minute if judged_to is None else judged_to + 1
    oldest = np.maximum(watch.begins, current_minute - _MOST_MINUTES)
    first = np.full(len(watch.thresholds), fresh, dtype=np.int64)
    for pairs, minutes in ((watch.of_sources, seen.sources), (watch.of_channels, seen.channels)):
        if not minutes or not pairs.size:
            continue
        ids = np.array(sorted(minutes), dtype=np.int64)
        changed = np.array([minutes[each] for each in ids.tolist()], dtype=np.int64)
        at = np.searchsorted(ids, pairs[:, 1]).clip(max=ids.size - 1)
        index = pairs[:, 0]
        # what changed long before may say nothing of the minutes that are judged
        speaks = changed[at, 1] + watch.reaches[index] >= oldest[index]
        hit = (ids[at] == pairs[:, 1]) & speaks
        np.minimum.at(first, index[hit], changed[at[hit], 0])
    return np.maximum(first, oldest)


def _batches(first: NDArray[np.int64], current_minute: int) -> list[NDArray[np.int64]]:
    """Indices of thresholds that are judged together: the recent ones, and what is late."""
    due = first <= current_minute
    recent = first > current_minute - _RECENT
    found = [np.flatnonzero(due & recent), np.flatnonzero(due & ~recent)]
    return [each for each in found if each.size]


def _judge_batch(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    seen: Seen,
    newest: dict[int, Transition],
    chosen: NDArray[np.int64],
    first: int,
    last: int,
    now: datetime,
    version: int,
) -> None:
    watch = plan.watch
    ids = {int(index): watch.thresholds[index].id for index in chosen}
    index_of = {threshold_id: index for index, threshold_id in ids.items()}
    mine = {i: t for i, t in newest.items() if i in index_of}
    late = [threshold_id for threshold_id, t in mine.items() if t.minute >= first]
    at_start = {i: t for i, t in mine.items() if t.minute < first}
    at_start |= history.before(connection, late, first)
    judged = _fold(connection, plan, chosen, at_start, first, last)
    before = history.since(connection, dict.fromkeys(late, first))
    again = [_of(each, ids[each.threshold]) for each in judged.transitions]
    revised = revise(before, again)
    if not revised.undone and not revised.added:
        return
    outlooks = {(ids[i], minute): each for (i, minute), each in judged.outlooks.items()}
    history.revise(
        connection,
        plan.id,
        undone=revised.undone,
        added=[(t, outlooks[t.threshold, t.minute].seen) for t in revised.added],
        data_version=version,
    )
    touched = {each.threshold for each in (*revised.undone, *revised.added)}
    raise_alerts.reconcile_alerts(
        connection,
        plan,
        seen,
        {threshold_id: watch.thresholds[index_of[threshold_id]] for threshold_id in touched},
        outlooks,
        first=first,
        now=now,
        version=version,
    )


def _fold(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    chosen: NDArray[np.int64],
    at_start: dict[int, Transition],
    first: int,
    last: int,
) -> _Judged:
    watch = plan.watch
    states = States.inactive(chosen.size)
    for row, index in enumerate(chosen.tolist()):
        transition = at_start.get(watch.thresholds[index].id)
        if transition is not None:
            states.put(_of(transition, row))
    limits = watch.limits.chosen(chosen)
    found = _Judged(transitions=[], outlooks={})
    sources = {source for index in chosen for source in watch.thresholds[index].sources}
    step = max(60, _MOST_VALUES // max(chosen.size, len(sources)))
    for begin in range(first, last + 1, step):
        end = min(last, begin + step - 1)
        part = values(connection, plan.id, watch, chosen.tolist(), begin, end)
        verdicts = limits.verdicts(part.value, part.incomplete)
        ahead = limits.verdicts(part.ends)
        # what is not known now is not known for the end
        ahead[(ahead == UNKNOWN) | (verdicts == UNKNOWN)] = CLEAR
        for each in _folded(watch, states, chosen, verdicts, ahead, begin):
            index = int(chosen[each.threshold])
            found.transitions.append(_of(each, index))
            found.outlooks[index, each.minute] = _outlook(
                part, each, begin, float(limits.limit[each.threshold])
            )
    return found


def _folded(
    watch: WatchPlan,
    states: States,
    chosen: NDArray[np.int64],
    verdicts: Verdicts,
    ahead: Verdicts,
    first: int,
) -> Sequence[Transition]:
    return fold(
        states,
        verdicts=verdicts,
        ahead=ahead,
        first_minute=first,
        lasts=watch.lasts[chosen],
        begins=watch.begins[chosen],
    )


def _outlook(part: Values, transition: Transition, first: int, limit: float) -> Outlook:
    at = (transition.threshold, transition.minute - first)
    value, rise = float(part.value[at]), float(part.rise[at])
    known = None if np.isnan(value) else value
    crosses = None
    if transition.projected and known is not None:
        left = minutes_to_limit(known, limit, rise)
        crosses = None if left is None else transition.minute + left
    return Outlook(seen=history.Seen(value=known, limit=limit), crosses_minute=crosses)


def _of(transition: Transition, threshold: int) -> Transition:
    return Transition(
        threshold=threshold,
        minute=transition.minute,
        state=transition.state,
        projected=transition.projected,
        since=transition.since,
    )
