"""Alerts, thresholds and maintenance as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.alert_codes import alert_codes
from services.core.store.alerts.body import alert_body, names_and_unit
from services.core.store.registry import watched_names
from services.core.store.registry.watched_names import WatchedNames
from services.core.store.schema import alert_tables
from services.core.store.schema.column_names import column_names

_ALERT = f"""
SELECT {column_names(alert_tables.alert, "a")}, f.slug AS facility,
       t.slug AS threshold, coalesce(v.spec, t.spec) AS spec,
       m.slug AS maintenance, c.comment, c.reason, c.action, a.data_version,
       s.value AS present_value, s.value_at AS present_at,
       {watched_names.COLUMNS}
FROM alert a
JOIN facility f ON f.id = a.facility_id
JOIN threshold t ON t.id = a.threshold_id
LEFT JOIN threshold_revision v
       ON v.threshold_id = a.threshold_id AND v.version = a.threshold_version
LEFT JOIN maintenance m ON m.id = a.maintenance_id
LEFT JOIN threshold_state s ON s.threshold_id = a.threshold_id
      AND a.resolved_at IS NULL AND a.undone_at IS NULL
LEFT JOIN LATERAL (
    SELECT (array_agg(c.comment ORDER BY c.id DESC) FILTER (WHERE c.comment IS NOT NULL))[1]
           AS comment,
           (array_agg(c.reason ORDER BY c.id DESC) FILTER (WHERE c.reason IS NOT NULL))[1]
           AS reason,
           (array_agg(c.action ORDER BY c.id DESC) FILTER (WHERE c.action IS NOT NULL))[1]
           AS action
    FROM alert_comment c WHERE c.alert_id = a.id
) c ON true
{watched_names.joins("a.facility_id", "coalesce(v.spec, t.spec)")}
"""  # noqa: S608 - joins of this package

_LISTED = text(
    _ALERT
    + """
WHERE a.facility_id = ANY(CAST(:facilities AS int[]))
  AND (CAST(:states AS text[]) IS NULL OR a.state = ANY(:states))
  AND (CAST(:thresholds AS text[]) IS NULL OR t.slug = ANY(:thresholds))
  AND (CAST(:reasons AS text[]) IS NULL OR c.reason = ANY(:reasons))
  AND (CAST(:actions AS text[]) IS NULL OR c.action = ANY(:actions))
  AND (CAST(:begins AS timestamptz) IS NULL
       OR coalesce(a.resolved_at, a.undone_at, 'infinity') >= :begins)
  AND (CAST(:ends AS timestamptz) IS NULL OR a.fired_at < :ends)
  AND (CAST(:before_id AS int8) IS NULL OR a.id < :before_id)
ORDER BY a.id DESC LIMIT :limit
"""
)

_ONE = text(_ALERT + " WHERE a.id = :id")

#: Alerts of a live answer at most.
_MAX_LIVE = 1000
#: How long one that changed is among them, for clients that missed its change.
ALERTS_SHOWN_FOR: Final = timedelta(minutes=15)

_LIVE_IDS = """
SELECT o.id FROM alert o JOIN facility x ON x.id = o.facility_id
WHERE x.slug = :facility AND o.resolved_at IS NULL AND o.undone_at IS NULL
UNION
SELECT o.id FROM alert o JOIN facility x ON x.id = o.facility_id
WHERE x.slug = :facility AND o.changed_at > now() - CAST(:shown_for AS interval)
ORDER BY id DESC LIMIT :limit
"""

_LIVE = text(f"{_ALERT} WHERE a.id IN ({_LIVE_IDS}) ORDER BY a.data_version, a.id")

_AS_OF = text(
    _ALERT
    + """
WHERE f.slug = :facility AND a.fired_at <= :as_of AND coalesce(a.resolved_at, 'infinity') > :as_of
  AND coalesce(a.undone_at, 'infinity') > :as_of
ORDER BY a.id
"""
)

_TRANSITIONS = text(
    """
SELECT h.at, h.state, h.projected, h.value, h.limit_value AS "limit", h.data_version, h.judged_at,
       h.undone_at
FROM alert a JOIN alert_transition h ON h.threshold_id = a.threshold_id
 AND h.at >= a.started_at AND h.at <= coalesce(a.resolved_at, 'infinity')
WHERE a.id = :id ORDER BY h.id
"""
)

_COMMENTS = text(
    'SELECT made_at AS at, made_by AS "by", comment, reason, action FROM alert_comment'
    " WHERE alert_id = :id ORDER BY id"
)

_CODES = text(
    """
SELECT f.slug, f.document->'alert_codes' FROM facility f
WHERE f.id = ANY(CAST(:facilities AS int[])) ORDER BY f.slug
"""
)

_THRESHOLDS = text(
    f"""
SELECT f.slug AS facility, t.spec, t.origin, t.version, t.in_force_from,
       coalesce(s.state, 'inactive') AS state, s.since,
       {watched_names.COLUMNS}
FROM threshold t JOIN facility f ON f.id = t.facility_id
LEFT JOIN threshold_state s ON s.threshold_id = t.id
{watched_names.joins("t.facility_id", "t.spec")}
WHERE t.active AND f.retired_at IS NULL AND t.facility_id = ANY(CAST(:facilities AS int[]))
ORDER BY f.slug, t.slug
"""  # noqa: S608 - joins of this package
)

_MAINTENANCE = text(
    """
SELECT f.slug AS facility, m.slug AS id, m.origin, m.from_ts AS "from", m.to_ts AS "to", m.sources,
       m.thresholds, m.reason, m.stated_by, m.stated_at
FROM maintenance m JOIN facility f ON f.id = m.facility_id
WHERE m.active AND m.facility_id = ANY(CAST(:facilities AS int[]))
  AND (CAST(:begins AS timestamptz) IS NULL OR m.to_ts > :begins)
  AND (CAST(:ends AS timestamptz) IS NULL OR m.from_ts < :ends)
ORDER BY m.from_ts, m.id
"""
)


async def alerts(
    connection: AsyncConnection,
    facility_ids: Sequence[int],
    *,
    states: Sequence[str],
    thresholds: Sequence[str],
    reasons: Sequence[str],
    actions: Sequence[str],
    begins: datetime | None,
    ends: datetime | None,
    before_id: int | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return alerts, the newest first; empty lists and None restrict nothing."""
    rows = await connection.execute(
        _LISTED,
        {
            "facilities": list(facility_ids),
            "states": list(states) or None,
            "thresholds": list(thresholds) or None,
            "reasons": list(reasons) or None,
            "actions": list(actions) or None,
            "begins": begins,
            "ends": ends,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [_shown(row) for row in rows.mappings()]


async def alert(connection: AsyncConnection, alert_id: int) -> dict[str, Any] | None:
    """Return an alert with its ``transitions`` and ``comments``; None if there is none."""
    row = (await connection.execute(_ONE, {"id": alert_id})).mappings().first()
    if row is None:
        return None
    transitions = await connection.execute(_TRANSITIONS, {"id": alert_id})
    comments = await connection.execute(_COMMENTS, {"id": alert_id})
    return {
        **_shown(row),
        "transitions": [dict(row) for row in transitions.mappings()],
        "comments": [dict(row) for row in comments.mappings()],
    }


async def live_alerts(connection: AsyncConnection, facility: str) -> list[dict[str, Any]]:
    """Return alerts that fire or changed within a quarter of an hour; the newest 1 000."""
    keys = {"facility": facility, "limit": _MAX_LIVE, "shown_for": ALERTS_SHOWN_FOR}
    rows = await connection.execute(_LIVE, keys)
    return [_shown(row) for row in rows.mappings()]


async def alerts_as_of(
    connection: AsyncConnection, facility: str, as_of: datetime
) -> list[dict[str, Any]]:
    """Return the alerts that fired at an instant, by present data and without their end."""
    rows = await connection.execute(_AS_OF, {"facility": facility, "as_of": as_of})
    return [
        {
            **_shown(row),
            "state": "firing",
            "resolved_at": None,
            "undone_at": None,
            "present_value": None,
            "present_at": None,
        }
        for row in rows.mappings()
    ]


async def codes(connection: AsyncConnection, facility_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return the codes of facilities: reasons and then actions, as their files list them."""
    rows = await connection.execute(_CODES, {"facilities": list(facility_ids)})
    return [
        {"facility": facility, "kind": kind, "code": entry.code, "text": entry.text}
        for facility, document in rows
        for kind, entries in alert_codes(document).by_kind.items()
        for entry in entries
    ]


def is_open(alert: dict[str, Any]) -> bool:
    """Return whether an alert neither resolved nor was retracted."""
    return alert["resolved_at"] is None and alert["undone_at"] is None


async def thresholds(
    connection: AsyncConnection, facility_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the thresholds in force with their states and the names of what they watch."""
    rows = await connection.execute(_THRESHOLDS, {"facilities": list(facility_ids)})
    return [
        {**row, **names_and_unit(row["spec"], WatchedNames.of_row(row))}
        for row in map(dict, rows.mappings())
    ]


async def maintenance(
    connection: AsyncConnection,
    facility_ids: Sequence[int],
    *,
    begins: datetime | None,
    ends: datetime | None,
) -> list[dict[str, Any]]:
    """Return maintenance that overlaps a period; None: no bound."""
    rows = await connection.execute(
        _MAINTENANCE, {"facilities": list(facility_ids), "begins": begins, "ends": ends}
    )
    return [dict(row) for row in rows.mappings()]


def _shown(row: Any) -> dict[str, Any]:
    body = alert_body(row, row["spec"], WatchedNames.of_row(row))
    return {
        "id": body.pop("id"),
        "facility": row["facility"],
        **body,
        "present_value": row["present_value"],
        "present_at": row["present_at"],
        "comment": row["comment"],
        "reason": row["reason"],
        "action": row["action"],
        "maintenance": row["maintenance"],
    }
