"""How the values of alerts went: computed again from what is stored, as thresholds are evaluated.

A course follows from present data: what was restated since is restated in it too. It exists while
the alert's threshold is in force and watches what it watched when the alert fired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row

from services.core.accounting.alerting.measures.emissions import EmissionMeasure
from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts.values.read import values
from services.core.store.emissions import facility_progress
from services.core.store.registry.watch_plan import Watched, watch_plan
from services.core.timeline.instants import DAY_MINUTES, EPOCH, MINUTE, to_minute
from services.core.timeline.intervals import Interval
from services.core.timeline.windows import ROLLING_MINUTES

#: What comes before a breach and after it is shown too, so that both can be seen.
_LEAST_MARGIN: Final = timedelta(hours=1)

#: Of a longer one, the end.
_LONGEST_MINUTES: Final = 35 * DAY_MINUTES

#: A window that ended long ago is moved or added up; minutes of sources that this may read.
_MAX_READ: Final = 1_000_000

#: Alerts of a facility that are about as long are read together: minutes.
_LENGTHS: Final = (180, 360, 720, 1440, 2880, 5 * DAY_MINUTES, 12 * DAY_MINUTES, _LONGEST_MINUTES)

#: Minutes that a row may stand for.
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)

_ALERTS: LiteralString = """
SELECT a.id, a.facility_id, f.slug AS facility, a.threshold_id, a.started_at, a.resolved_at,
       a.undone_at, coalesce(v.spec, t.spec) AS spec, t.spec AS present_spec
FROM alert a JOIN threshold t ON t.id = a.threshold_id JOIN facility f ON f.id = a.facility_id
LEFT JOIN threshold_revision v
       ON v.threshold_id = a.threshold_id AND v.version = a.threshold_version
WHERE a.id = ANY(%(alerts)s) ORDER BY a.id
"""

#: Keys of a threshold that do not change what its value is.
_OF_THE_LIMIT: Final = frozenset(
    {"above", "below", "clear_above", "clear_below", "for", "severity", "message", "projected"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseRequest:
    """Alerts whose courses are asked for."""

    alerts: Sequence[int]
    #: None: an hour or a quarter of its length before each breach
    begins: datetime | None
    #: None: as long after each breach, or now
    ends: datetime | None
    #: rows of each alert at most
    max_points: int


def courses(
    connection: psycopg.Connection[Any], request: CourseRequest, now: datetime
) -> list[dict[str, Any]]:
    """Return rows by alert and time; an alert of whose values nothing is known has none.

    ``connection``: of one state of the database.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        alerts = cursor.execute(_ALERTS, {"alerts": list(request.alerts)}).fetchall()
    by_facility: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for alert in alerts:
        by_facility[alert["facility_id"]].append(alert)
    rows: list[dict[str, Any]] = []
    for facility_id, of_facility in by_facility.items():
        rows += _of_facility(connection, facility_id, of_facility, request, now)
    return sorted(rows, key=lambda row: (row["alert"], row["time"]))


def facilities_of(connection: psycopg.Connection[Any], alerts: Sequence[int]) -> dict[int, str]:
    """Return the facility of each alert that there is."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_ALERTS, {"alerts": list(alerts)}).fetchall()
    return {row["id"]: row["facility"] for row in rows}


def _of_facility(
    connection: psycopg.Connection[Any],
    facility_id: int,
    alerts: Sequence[Mapping[str, Any]],
    request: CourseRequest,
    now: datetime,
) -> Iterator[dict[str, Any]]:
    plan = watch_plan(connection, facility_id)
    index_of = {threshold.id: index for index, threshold in enumerate(plan.thresholds)}
    evaluated_to = facility_progress.read(connection, facility_id, now).evaluated_to
    newest = to_minute(now) if evaluated_to is None else min(to_minute(now), evaluated_to)
    together: dict[Interval, list[tuple[Mapping[str, Any], int, Interval]]] = defaultdict(list)
    for alert in alerts:
        index = index_of.get(alert["threshold_id"])
        if index is None or not _watches_the_same(alert):
            continue
        minutes = _minutes(alert, request, newest)
        if minutes.minutes > 0 and _is_affordable(plan.thresholds[index], minutes, newest):
            together[_shared(minutes)].append((alert, index, minutes))
    for read, members in together.items():
        selected = sorted({index for _, index, _ in members})
        part = values(connection, facility_id, plan, selected, read.start, read.end - 1)
        for alert, index, minutes in members:
            cells = selected.index(index), slice(minutes.start - read.start, None)
            yield from _rows(alert, part, cells, minutes, request.max_points)


def _shared(minutes: Interval) -> Interval:
    """Return the minutes that these are read with."""
    length = next(length for length in _LENGTHS if length >= minutes.minutes)
    return Interval(start=minutes.end - length, end=minutes.end)


def _watches_the_same(alert: Mapping[str, Any]) -> bool:
    then, now = alert["spec"], alert["present_spec"]
    aside = _OF_THE_LIMIT
    if now.get("confidence_interval") is not None:
        # what is taken off a value is a share of the limit
        aside = aside - {"above"}
    return all(then.get(key) == now.get(key) for key in {*then, *now} - aside)


def _minutes(alert: Mapping[str, Any], request: CourseRequest, newest: int) -> Interval:
    begins = alert["started_at"]
    ended = alert["resolved_at"] or alert["undone_at"]
    length = (EPOCH + newest * MINUTE if ended is None else ended) - begins
    margin = max(_LEAST_MARGIN, length / 4)
    first = to_minute(request.begins or begins - margin)
    last = newest
    if request.ends is not None:
        last = min(last, to_minute(request.ends))
    elif ended is not None:
        last = min(last, to_minute(ended + margin))
    return Interval.through(max(first, last - _LONGEST_MINUTES + 1), last)


def _is_affordable(watched: Watched, minutes: Interval, newest: int) -> bool:
    length = ROLLING_MINUTES.get(watched.spec.window or "")
    if length is None or not isinstance(watched.measure, EmissionMeasure):
        return True
    return min(length, newest + 1 - minutes.end) * len(watched.sources) <= _MAX_READ


def _rows(
    alert: Mapping[str, Any],
    part: Values,
    cells: tuple[int, slice],
    interval: Interval,
    max_points: int,
) -> Iterator[dict[str, Any]]:
    """Yield the lowest, highest and last value of each step; a step aligns with the epoch."""
    step = _step(interval.minutes, max_points)
    minutes = np.arange(interval.start, interval.end)
    cuts = [0, *(np.flatnonzero(np.diff(minutes // step)) + 1).tolist(), minutes.size]
    value: NDArray[np.float64] = part.value[cells]
    incomplete, substituted = part.incomplete[cells], part.substituted[cells]
    if np.isnan(value).all():
        return
    for begin, end in pairwise(cuts):
        known = value[begin:end][~np.isnan(value[begin:end])]
        yield {
            "alert": alert["id"],
            "facility": alert["facility"],
            "time": EPOCH + int(minutes[begin]) // step * step * MINUTE,
            "interval_s": step * 60,
            "value": _last(known),
            "low": float(known.min()) if known.size else None,
            "high": float(known.max()) if known.size else None,
            "share_missing": 1.0 - known.size / (end - begin),
            "is_incomplete": bool(incomplete[begin:end].any()),
            "is_substituted": bool(substituted[begin:end].any()),
        }


def _step(minutes: int, max_points: int) -> int:
    wanted = minutes / max_points
    return next((step for step in _STEPS if step >= wanted), _STEPS[-1])


def _last(known: NDArray[np.float64]) -> float | None:
    return float(known[-1]) if known.size else None
