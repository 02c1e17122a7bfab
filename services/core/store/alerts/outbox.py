"""The outbox as an administrator sees it: what waits to be told and why, and test messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.core.facility.model import Notify
from services.core.facility.recipients import targets_of
from services.core.store.alerts import writer

_NOTIFY_OF = "SELECT id, coalesce(document -> 'notify', '[]') FROM facility WHERE slug = %s"

_WORKS = """
SELECT EXISTS (SELECT FROM process_progress WHERE process = 'notify'
               AND abs(extract(epoch FROM now() - progressed_at)) < %s)
"""

# One that was not tried yet waits because its recipient fails with others.
_ENTRIES = """
SELECT o.id, f.slug AS facility, coalesce(o.body ->> 'threshold', '') AS threshold, o.kind,
       o.target, o.created_at, o.tries, o.next_try_at, o.delivered_at,
       coalesce(o.last_error, e.last_error, '') AS reason
FROM outbox o JOIN facility f ON f.id = o.facility_id
LEFT JOIN LATERAL (
    SELECT last_error FROM outbox x
    WHERE x.target = o.target AND x.delivered_at IS NULL AND x.abandoned_at IS NULL
      AND x.last_error IS NOT NULL
    ORDER BY x.next_try_at DESC LIMIT 1) e ON true
"""

_WAITING = (
    _ENTRIES + " WHERE o.delivered_at IS NULL AND o.abandoned_at IS NULL ORDER BY o.id LIMIT %s"
)

_OF_TEST = _ENTRIES + " WHERE o.lane = %s ORDER BY o.id"

_GIVE_UP = """
UPDATE outbox SET abandoned_at = clock_timestamp()
WHERE lane = %s AND delivered_at IS NULL AND abandoned_at IS NULL
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message to one recipient."""

    id: int
    facility: str
    #: empty: a test
    threshold: str
    kind: str
    target: str
    created_at: datetime
    tries: int
    next_try_at: datetime
    delivered_at: datetime | None
    #: why it was not taken, or why nothing is tried now; empty: nothing failed
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A test message under way to every recipient of a facility."""

    #: of its rows in the outbox
    lane: str
    targets: Sequence[str]


def notifier_works(connection: psycopg.Connection[Any], stale_after_s: float) -> bool:
    """Whether a notifier turned within that many seconds."""
    row = connection.execute(_WORKS, (stale_after_s,)).fetchone()
    return bool(row and row[0])


def tell_test(
    connection: psycopg.Connection[Any], facility: str, *, kinds: Iterable[str], by: str
) -> Trial | None:
    """Put a test message into the outbox for each recipient; None if there is no such facility.

    ``kinds``: of the recipients that are meant, as in ``webhook``; none: all.
    """
    row = connection.execute(_NOTIFY_OF, (facility,)).fetchone()
    if row is None:
        return None
    facility_id, entries = row
    wanted = set(kinds)
    targets = [
        target
        for target in targets_of(Notify.model_validate(entry) for entry in entries)
        if not wanted or target.partition(" ")[0] in wanted
    ]
    lane = f"{facility}/test/{uuid.uuid4().hex}"
    with connection.transaction():
        writer.tell(
            connection,
            facility_id,
            targets,
            [
                {
                    "kind": "test",
                    "lane": lane,
                    "alert_id": None,
                    "key": lane,
                    "body": {"message": f"A test message, asked for by {by}. Nothing fires."},
                }
            ],
        )
    return Trial(lane=lane, targets=targets)


def of_test(connection: psycopg.Connection[Any], test: Trial) -> list[Entry]:
    """What has become of a test message so far."""
    return _entries(connection, _OF_TEST, test.lane)


def give_up(connection: psycopg.Connection[Any], test: Trial) -> None:
    """Try a test message no more: days later it would only puzzle."""
    connection.execute(_GIVE_UP, (test.lane,))


def waiting(connection: psycopg.Connection[Any], most: int) -> list[Entry]:
    """Messages that are not told yet, the oldest first."""
    return _entries(connection, _WAITING, most)


def _entries(connection: psycopg.Connection[Any], sql: str, parameter: Any) -> list[Entry]:
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(sql, (parameter,)).fetchall()
