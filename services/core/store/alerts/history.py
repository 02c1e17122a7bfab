"""The histories of thresholds in the database: read from any minute on, revised, never erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from services.core.accounting.alerting.states import NAMES, Transition
from services.core.facility.thresholds import Threshold
from services.core.store.registry import watched_names
from services.core.store.registry.watched_names import WatchedNames

_NUMBERS = {name: number for number, name in enumerate(NAMES)}

_NEWEST = """
SELECT threshold_id, state, projected, minute_of(since), minute_of(at)
FROM threshold_state WHERE facility_id = %s
"""

_RETIRED = f"""
SELECT t.spec, s.threshold_id, s.state, s.projected, minute_of(s.since), minute_of(s.at),
       {watched_names.COLUMNS}
FROM threshold_state s JOIN threshold t ON t.id = s.threshold_id
{watched_names.joins("t.facility_id", "t.spec")}
WHERE s.facility_id = %s AND s.state NOT IN ('inactive', 'resolved')
  AND (NOT t.active OR EXISTS (
      SELECT FROM facility f WHERE f.id = s.facility_id AND f.retired_at IS NOT NULL))
"""  # noqa: S608 - joins of this package

_BEFORE = """
SELECT x.id, h.state, h.projected, minute_of(h.since), minute_of(h.at)
FROM unnest(%(ids)s::int4[]) AS x(id)
CROSS JOIN LATERAL (
    SELECT * FROM alert_transition t
    WHERE t.threshold_id = x.id AND t.undone_at IS NULL AND t.at < minute_start(%(minute)s)
    ORDER BY t.at DESC LIMIT 1) h
"""

_SINCE = """
SELECT threshold_id, state, projected, minute_of(since), minute_of(at)
FROM unnest(%(ids)s::int4[], %(minutes)s::int8[]) AS x(id, minute)
JOIN alert_transition t ON t.threshold_id = x.id AND t.undone_at IS NULL
 AND t.at >= minute_start(x.minute)
ORDER BY threshold_id, at
"""

_RETRACT = """
UPDATE alert_transition t SET undone_at = known_now()
FROM unnest(%(ids)s::int4[], %(minutes)s::int8[]) AS x(id, minute)
WHERE t.threshold_id = x.id AND t.at = minute_start(x.minute) AND t.undone_at IS NULL
"""

_ADD = """
INSERT INTO alert_transition
    (threshold_id, at, state, projected, since, value, limit_value, data_version)
SELECT x.id, minute_start(x.minute), x.state, x.projected, minute_start(x.since),
       x.value, x.limit_value, %(data_version)s
FROM unnest(%(ids)s::int4[], %(minutes)s::int8[], %(states)s::text[], %(projected)s::bool[],
            %(since)s::int8[], %(values)s::float8[], %(limits)s::float8[])
     AS x(id, minute, state, projected, since, value, limit_value)
ORDER BY x.minute
"""

_SETTLE = """
WITH newest AS (
    SELECT x.id, h.state, h.projected, h.since, h.at
    FROM unnest(%(ids)s::int4[]) AS x(id)
    LEFT JOIN LATERAL (
        SELECT * FROM alert_transition t WHERE t.threshold_id = x.id AND t.undone_at IS NULL
        ORDER BY t.at DESC LIMIT 1) h ON true
), gone AS (
    DELETE FROM threshold_state s USING newest n WHERE s.threshold_id = n.id AND n.at IS NULL
)
INSERT INTO threshold_state (threshold_id, facility_id, state, projected, since, at)
SELECT id, %(facility)s, state, projected, since, at FROM newest WHERE at IS NOT NULL
ON CONFLICT (threshold_id) DO UPDATE
SET state = excluded.state, projected = excluded.projected, since = excluded.since,
    at = excluded.at
"""

_PRESENT = """
UPDATE threshold_state s SET value = x.value, value_at = minute_start(x.minute)
FROM unnest(%(ids)s::int4[], %(values)s::float8[], %(minutes)s::int8[]) AS x(id, value, minute)
WHERE s.threshold_id = x.id AND s.state IN ('firing', 'firing-no-data')
  AND (s.value, s.value_at) IS DISTINCT FROM (x.value, minute_start(x.minute))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The value and the limit that a transition follows from."""

    value: float | None
    limit: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """The newest value of what a threshold watches."""

    #: None: unknown
    value: float | None
    #: that it is of
    minute: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredThreshold:
    """A threshold out of force, and its newest transition."""

    spec: Threshold
    newest: Transition
    names: WatchedNames


def newest(connection: psycopg.Connection[Any], facility_id: int) -> dict[int, Transition]:
    """Return the newest transition of each threshold that ever had one, by the threshold's id."""
    return {
        row[0]: _transition(row) for row in connection.execute(_NEWEST, (facility_id,)).fetchall()
    }


def retired(connection: psycopg.Connection[Any], facility_id: int) -> list[RetiredThreshold]:
    """Return the thresholds that are out of force and were left in another state than inactive."""
    rows = connection.execute(_RETIRED, (facility_id,)).fetchall()
    return [
        RetiredThreshold(
            spec=Threshold.model_validate(row[0]),
            newest=_transition(row[1:6]),
            names=WatchedNames(source=row[6], device=row[7], channel_unit=row[8]),
        )
        for row in rows
    ]


def before(
    connection: psycopg.Connection[Any], ids: Sequence[int], minute: int
) -> dict[int, Transition]:
    """Return the newest transition before a minute, by the threshold's id."""
    if not ids:
        return {}
    rows = connection.execute(_BEFORE, {"ids": list(ids), "minute": minute}).fetchall()
    return {row[0]: _transition(row) for row in rows}


def since(connection: psycopg.Connection[Any], first: Mapping[int, int]) -> list[Transition]:
    """Return the transitions of thresholds from their own minutes on, ascending."""
    if not first:
        return []
    rows = connection.execute(_SINCE, {"ids": list(first), "minutes": list(first.values())})
    return [_transition(row) for row in rows.fetchall()]


def revise(
    connection: psycopg.Connection[Any],
    facility_id: int,
    *,
    retracted: Sequence[Transition],
    added: Sequence[tuple[Transition, Evaluation]],
    data_version: int,
) -> None:
    """Mark transitions as retracted and add others; ``threshold`` is the threshold's id."""
    if retracted:
        connection.execute(
            _RETRACT,
            {"ids": [t.threshold for t in retracted], "minutes": [t.minute for t in retracted]},
        )
    if added:
        connection.execute(
            _ADD,
            {
                "ids": [t.threshold for t, _ in added],
                "minutes": [t.minute for t, _ in added],
                "states": [NAMES[t.state] for t, _ in added],
                "projected": [t.projected for t, _ in added],
                "since": [t.since for t, _ in added],
                "values": [evaluation.value for _, evaluation in added],
                "limits": [evaluation.limit for _, evaluation in added],
                "data_version": data_version,
            },
        )
    ids = {t.threshold for t in retracted} | {t.threshold for t, _ in added}
    connection.execute(_SETTLE, {"ids": sorted(ids), "facility": facility_id})


def set_present(connection: psycopg.Connection[Any], present: Mapping[int, Present]) -> None:
    """Keep the newest values of those thresholds that fire, by id."""
    if not present:
        return
    connection.execute(
        _PRESENT,
        {
            "ids": list(present),
            "values": [newest.value for newest in present.values()],
            "minutes": [newest.minute for newest in present.values()],
        },
    )


def _transition(row: Sequence[Any]) -> Transition:
    threshold_id, state, projected, since_minute, minute = row
    return Transition(
        threshold=threshold_id,
        minute=minute,
        state=_NUMBERS[state],
        projected=projected,
        since=since_minute,
    )
