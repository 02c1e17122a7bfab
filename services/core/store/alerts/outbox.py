"""The outbox as an administrator sees it: pending messages with the reason, test messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.core.facility.model import Notify
from services.core.facility.recipients import is_recipient, target_of, targets_of
from services.core.store.alerts import writer
from services.core.store.audit.record import record
from services.core.store.database.progress import runs

_NOTIFY_OF = "SELECT id, coalesce(document -> 'notify', '[]') FROM facility WHERE slug = %s"

# A message that was not tried yet is pending because other messages to its recipient fail.
_ENTRIES = """
SELECT o.id, f.slug AS facility, coalesce(o.body ->> 'threshold', '') AS threshold,
       coalesce(o.body ->> 'source_name', o.body ->> 'device_name', '') AS name, o.kind,
       o.target, o.created_at, o.tries, o.next_try_at, o.delivered_at,
       coalesce(o.last_error, e.last_error, '') AS reason
FROM outbox o JOIN facility f ON f.id = o.facility_id
LEFT JOIN LATERAL (
    SELECT last_error FROM outbox x
    WHERE x.target = o.target AND x.delivered_at IS NULL AND x.abandoned_at IS NULL
      AND x.last_error IS NOT NULL
    ORDER BY x.next_try_at DESC LIMIT 1) e ON true
"""

_PENDING = (
    _ENTRIES + " WHERE o.delivered_at IS NULL AND o.abandoned_at IS NULL ORDER BY o.id LIMIT %s"
)

_OF_TEST = _ENTRIES + " WHERE o.lane = %s ORDER BY o.id"

_GIVE_UP = """
UPDATE outbox SET abandoned_at = clock_timestamp()
WHERE lane = %s AND delivered_at IS NULL AND abandoned_at IS NULL
"""


#: What became of messages to each recipient of a facility, as far as the outbox remembers.
_STANDING = """
SELECT o.target, count(*) FILTER (WHERE o.delivered_at IS NULL AND o.abandoned_at IS NULL),
       max(o.delivered_at),
       (array_agg(o.last_error ORDER BY o.id DESC) FILTER (
            WHERE o.delivered_at IS NULL AND o.abandoned_at IS NULL AND o.last_error IS NOT NULL
       ))[1]
FROM outbox o JOIN facility f ON f.id = o.facility_id WHERE f.slug = %s GROUP BY o.target
"""


class NotifierAwayError(RuntimeError):
    """No notifier runs: nothing is sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """Whom a facility's alerts are sent to, and what became of the messages."""

    target: str
    #: the environment variable with the secret that messages are signed with
    secret_env: str | None
    #: None: no heartbeat
    heartbeat_s: float | None
    #: messages that are not delivered yet
    waiting: int
    delivered_at: datetime | None
    #: why the newest that waits was not accepted; None: nothing failed
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message to one recipient."""

    id: int
    facility: str
    #: empty: a test
    threshold: str
    #: of the source or device that the threshold watches; empty: of neither
    name: str
    kind: str
    target: str
    created_at: datetime
    tries: int
    next_try_at: datetime
    delivered_at: datetime | None
    #: why it was not accepted, or why nothing is sent now; empty: nothing failed
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SentTest:
    """A test message to the recipients of a facility."""

    #: of its rows in the outbox
    lane: str
    targets: Sequence[str]


def refuse_without_notifier(connection: psycopg.Connection[Any]) -> None:
    """Let nothing be sent of which somebody awaits the outcome while nobody sends.

    :raises NotifierAwayError: no notifier runs.
    """
    if not runs(connection, "notify"):
        raise NotifierAwayError("the notifier is not running; start `tonne notify`")


def enqueue_test(
    connection: psycopg.Connection[Any], facility: str, *, kinds: Iterable[str], by: str
) -> SentTest | None:
    """Put a test message into the outbox for each recipient; None if there is no such facility.

    ``kinds``: kinds of recipients, such as ``webhook``; none: all.
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
        writer.enqueue(
            connection,
            facility_id,
            targets,
            [
                {
                    "kind": "test",
                    "lane": lane,
                    "alert_id": None,
                    "key": lane,
                    "body": {
                        "message": f"A test message, requested by {by}. Nothing fires.",
                        "requested_by": by,
                    },
                }
            ],
        )
        record(
            connection,
            "recipient.test",
            by=by,
            facility=facility,
            subject=", ".join(sorted(wanted)) or "all",
        )
    return SentTest(lane=lane, targets=targets)


def recipients(connection: psycopg.Connection[Any], facility: str) -> list[Recipient] | None:
    """Return whom a facility's file has notified; None if there is no such facility."""
    row = connection.execute(_NOTIFY_OF, (facility,)).fetchone()
    if row is None:
        return None
    entries = [Notify.model_validate(entry) for entry in row[1]]
    stated = {target_of(entry): entry for entry in entries if is_recipient(entry)}
    standing = {target: rest for target, *rest in connection.execute(_STANDING, (facility,))}
    made = []
    for target in targets_of(entries):
        entry = stated.get(target)
        waiting, delivered_at, reason = standing.get(target, (0, None, None))
        made.append(
            Recipient(
                target=target,
                secret_env=None if entry is None else entry.secret_env,
                heartbeat_s=None if entry is None else entry.heartbeat,
                waiting=waiting,
                delivered_at=delivered_at,
                reason=reason,
            )
        )
    return made


def entries_of_test(connection: psycopg.Connection[Any], test: SentTest) -> list[Entry]:
    """Return the entries of a test message, one for each recipient."""
    return _entries(connection, _OF_TEST, test.lane)


def abandon_test(connection: psycopg.Connection[Any], test: SentTest) -> None:
    """Stop retrying a test message: it would only confuse, days later."""
    connection.execute(_GIVE_UP, (test.lane,))


def pending(connection: psycopg.Connection[Any], limit: int) -> list[Entry]:
    """Return messages that are not delivered yet, the oldest first."""
    return _entries(connection, _PENDING, limit)


def _entries(connection: psycopg.Connection[Any], sql: str, parameter: Any) -> list[Entry]:
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(sql, (parameter,)).fetchall()
