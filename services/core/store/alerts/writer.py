"""Alerts and the messages about them, written in the transaction that evaluated thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.core.store.database import notify
from services.core.store.schema import alert_tables
from services.core.store.schema.column_names import column_names

# Alerts that no later data can change are not read.
_KNOWN: LiteralString = f"""
SELECT {column_names(alert_tables.alert, "a")}
FROM unnest(%(ids)s::int4[], %(minutes)s::int8[]) AS x(id, minute)
JOIN alert a ON a.threshold_id = x.id AND a.undone_at IS NULL
 AND (a.resolved_at IS NULL OR a.resolved_at >= minute_start(x.minute))
ORDER BY a.fired_at
"""  # noqa: S608 - names of the schema

_UNANNOUNCED: LiteralString = f"""
SELECT {column_names(alert_tables.alert, "a")} FROM alert a
WHERE a.facility_id = %s AND a.resolved_at IS NULL AND a.undone_at IS NULL AND NOT a.told
"""  # noqa: S608 - names of the schema

_COLUMNS = (
    "state",
    "projected",
    "started_at",
    "fired_at",
    "resolved_at",
    "value",
    "limit_value",
    "crosses_at",
    "room",
    "data_version",
    "maintenance_id",
    "told",
    "undone_at",
    "undone_by",
    "ended_by",
)

_INSERT = (
    "INSERT INTO alert (facility_id, threshold_id, threshold_version, "  # noqa: S608 - names above
    + ", ".join(_COLUMNS)
    + ") VALUES (%(facility_id)s, %(threshold_id)s, %(threshold_version)s, "
    + ", ".join(f"%({name})s" for name in _COLUMNS)
    + ") RETURNING id"
)

_UPDATE = (
    "UPDATE alert SET "  # noqa: S608 - names above
    + ", ".join(f"{name} = %({name})s" for name in _COLUMNS)
    + ", changed_at = known_now() WHERE id = %(id)s"
)

_ENQUEUE = """
INSERT INTO outbox (facility_id, kind, target, lane, alert_id, body, key)
SELECT %(facility)s, m.kind, t.target, m.lane, m.alert_id, m.body, m.key
FROM unnest(%(kinds)s::text[], %(lanes)s::text[], %(alerts)s::int8[], %(bodies)s::jsonb[],
            %(keys)s::text[]) WITH ORDINALITY AS m(kind, lane, alert_id, body, key, i)
CROSS JOIN unnest(%(targets)s::text[]) AS t(target)
ORDER BY m.i
"""

Row = dict[str, Any]


def known(connection: psycopg.Connection[Any], first: Mapping[int, int]) -> list[Row]:
    """Return the alerts of thresholds that lasted into or after their minutes, oldest first."""
    return _rows(connection, _KNOWN, {"ids": list(first), "minutes": list(first.values())})


def unannounced(connection: psycopg.Connection[Any], facility_id: int) -> list[Row]:
    """Return alerts that fire and of which no message was sent yet."""
    return _rows(connection, _UNANNOUNCED, (facility_id,))


def insert(connection: psycopg.Connection[Any], alerts: Sequence[Row]) -> None:
    """Add alerts; each gets its ``id``."""
    if not alerts:
        return
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, alerts, returning=True)
        for alert in alerts:
            row = cursor.fetchone()
            alert["id"] = row[0] if row else None
            cursor.nextset()


def update(connection: psycopg.Connection[Any], alerts: Sequence[Row]) -> None:
    """Update alerts to what they are now."""
    if alerts:
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, alerts)


def enqueue(
    connection: psycopg.Connection[Any],
    facility_id: int,
    targets: Sequence[str],
    messages: Sequence[Row],
) -> None:
    """Put each message into the outbox for each target, in order, and wake the notifier.

    A message has ``kind``, ``lane``, ``alert_id``, ``body`` and ``key``.
    """
    if not messages or not targets:
        return
    connection.execute(
        _ENQUEUE,
        {
            "facility": facility_id,
            "kinds": [m["kind"] for m in messages],
            "lanes": [m["lane"] for m in messages],
            "alerts": [m["alert_id"] for m in messages],
            "bodies": [Jsonb(m["body"]) for m in messages],
            "keys": [m["key"] for m in messages],
            "targets": list(targets),
        },
    )
    connection.execute("SELECT pg_notify(%s, '')", (notify.OUTBOX,))


def _rows(connection: psycopg.Connection[Any], sql: str, parameters: Any) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, parameters).fetchall()
