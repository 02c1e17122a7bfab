"""Ask the aggregator to compute hours again, and see how far it is.

The request is rows of the queue that the aggregator works off in its own transactions: whoever
asked may go away at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from services.core.store.audit.record import record
from services.core.store.database import database_time, notify
from services.core.store.emissions import hour_history
from services.core.store.packing import opened

_LOCK = 0x746F6E71

# The same span that was asked for before and is not done yet is not queued twice.
_QUEUED = """
UPDATE recompute SET requested_at = known_now() WHERE id = (
    SELECT id FROM recompute
    WHERE source_id = %(source)s AND reason = %(reason)s AND step = 'readings'
      AND to_minute = %(end)s AND from_minute >= %(first)s
    ORDER BY id LIMIT 1)
RETURNING id
"""

_QUEUE = """
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason)
VALUES (%(facility)s, %(source)s, %(first)s, %(end)s, %(reason)s) RETURNING id
"""

_SLUG = "SELECT slug FROM facility WHERE id = %s"

_REMAINING = "SELECT coalesce(sum(to_minute - from_minute), 0) FROM recompute WHERE id = ANY(%s)"

_RESTATED = """
SELECT count(*) FROM emission_hour
WHERE source_id = ANY(%s) AND reason = %s AND known_at >= %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What was asked for."""

    ids: tuple[int, ...]
    source_ids: tuple[int, ...]
    reason: str
    #: by the time that processes go by
    asked_at: datetime


def submit(
    connection: psycopg.Connection[Any],
    sources: Sequence[tuple[int, int]],
    first_minute: int,
    end_minute: int,
    reason: str,
    *,
    by: str | None = None,
) -> Request:
    """Queue the minutes (``end_minute`` exclusive) of each (facility id, source id)."""
    ids = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for facility_id, source_id in sources:
            parameters = {
                "facility": facility_id,
                "source": source_id,
                "first": first_minute,
                "end": end_minute,
                "reason": reason,
            }
            row = connection.execute(_QUEUED, parameters).fetchone()
            if row is None:
                row = connection.execute(_QUEUE, parameters).fetchone()
            ids += [row[0]] if row else []
        for facility_id in {facility_id for facility_id, _ in sources}:
            connection.execute("SELECT pg_notify(%s, %s)", (notify.INVALIDATED, str(facility_id)))
            slug = connection.execute(_SLUG, (facility_id,)).fetchone()
            record(
                connection,
                "hours.recompute",
                by=by,
                facility=None if slug is None else slug[0],
                subject=", ".join(str(source) for owner, source in sources if owner == facility_id),
                after={"from_minute": first_minute, "to_minute": end_minute},
                reason=reason,
            )
        asked_at = database_time.present(connection)
    return Request(
        ids=tuple(ids),
        source_ids=tuple(source_id for _, source_id in sources),
        reason=reason,
        asked_at=asked_at,
    )


def remaining_minutes(connection: psycopg.Connection[Any], request: Request) -> int:
    """Count the minutes of the request, over its sources, that are not computed yet."""
    row = connection.execute(_REMAINING, (list(request.ids),)).fetchone()
    return int(row[0]) if row else 0


def restated_hours(connection: psycopg.Connection[Any], request: Request) -> int:
    """Count the hours that were closed and have a new version since the request was made."""
    with opened.snapshot(connection):
        hour_history.open_known(connection, request.source_ids, request.asked_at)
        row = connection.execute(
            _RESTATED, (list(request.source_ids), request.reason, request.asked_at)
        ).fetchone()
    return int(row[0]) if row else 0
