"""The outbox in the database: messages, their recipients, and the state of their delivery."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.core.runtime.credentials import without_credentials
from services.core.runtime.storable import storable

#: Delivered messages are kept for a month; the alerts themselves for good.
_KEPT_DAYS = 30
#: How long resolved alerts are repeated to recipients that ask for repetitions.
_RESOLVED_REPEAT_S = 900.0

#: Begins the reason of a message that was set aside.
CANNOT_BE_SENT = "cannot be sent: "

_DUE_TARGETS = """
SELECT DISTINCT target FROM outbox
WHERE delivered_at IS NULL AND abandoned_at IS NULL AND next_try_at <= now()
"""

# In order: a message waits until the one before it in its lane is delivered.
_DUE = """
SELECT o.id, f.slug AS facility, f.name AS facility_name, f.timezone, o.kind, o.target, o.body,
       o.key, o.created_at, o.tries
FROM outbox o JOIN facility f ON f.id = o.facility_id
WHERE o.target = %(target)s AND o.delivered_at IS NULL AND o.abandoned_at IS NULL
  AND o.next_try_at <= now() AND o.id <> ALL(%(busy)s)
  AND (%(only)s::text IS NULL OR o.kind = %(only)s)
  AND NOT EXISTS (
    SELECT FROM outbox e
    WHERE e.target = o.target AND e.lane = o.lane AND e.id < o.id
      AND e.delivered_at IS NULL AND e.abandoned_at IS NULL)
ORDER BY o.id LIMIT %(limit)s
"""

_DELIVERED = """
UPDATE outbox SET delivered_at = clock_timestamp(), tries = tries + 1, last_error = NULL
WHERE id = ANY(%s)
"""

_POSTPONE = """
UPDATE outbox SET tries = tries + 1, last_error = %(reason)s,
    next_try_at = clock_timestamp() + make_interval(secs => %(wait_s)s)
WHERE id = %(id)s
"""

_DUE_NOW = """
UPDATE outbox SET next_try_at = clock_timestamp()
WHERE id = ANY(%s) AND delivered_at IS NULL AND abandoned_at IS NULL
"""

_ALL_DUE_NOW = """
UPDATE outbox SET next_try_at = clock_timestamp()
WHERE target = %s AND delivered_at IS NULL AND abandoned_at IS NULL
  AND next_try_at > clock_timestamp()
"""

# A retry is never postponed for longer than a recipient can be paused, and a first try not at all:
# what is due later was dated by a clock that was ahead.
_DUE_AGAIN = """
UPDATE outbox SET next_try_at = clock_timestamp()
WHERE delivered_at IS NULL AND abandoned_at IS NULL
  AND next_try_at > clock_timestamp()
      + make_interval(secs => CASE WHEN tries = 0 THEN 0 ELSE %(max_s)s END)
"""

_SET_ASIDE = """
SELECT count(*), max(last_error) FROM outbox
WHERE abandoned_at > now() - interval '1 day' AND starts_with(last_error, %s)
"""

_ABANDON = """
UPDATE outbox SET abandoned_at = clock_timestamp(), last_error = %(reason)s WHERE id = %(id)s
"""

# The newest delivered message of each lane, where its alert fires or resolved lately.
_REPEATABLE = """
SELECT o.id, f.slug AS facility, f.name AS facility_name, f.timezone, o.kind, o.target, o.body,
       o.key, o.created_at, o.tries
FROM (
    SELECT DISTINCT ON (lane) * FROM outbox
    WHERE target = %(target)s AND delivered_at IS NOT NULL AND alert_id IS NOT NULL
    ORDER BY lane, id DESC) o
JOIN facility f ON f.id = o.facility_id
WHERE o.kind <> 'resolved' OR o.delivered_at > now() - make_interval(secs => %(resolved_s)s)
ORDER BY o.id
"""

_PENDING = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
FROM outbox WHERE delivered_at IS NULL AND abandoned_at IS NULL
"""

# Messages of firing alerts are kept whatever their age: they are still repeated.
_FORGET = """
DELETE FROM outbox o
WHERE coalesce(o.delivered_at, o.abandoned_at) < now() - make_interval(days => %(days)s)
  AND (o.kind = 'resolved' OR o.alert_id IS NULL OR EXISTS (
    SELECT FROM outbox n WHERE n.target = o.target AND n.lane = o.lane AND n.id > o.id))
"""

_TAKE = "SELECT pg_try_advisory_lock(%s)"
_RELEASE = "SELECT pg_advisory_unlock(%s)"


def _storable(reason: str) -> str:
    """Return a reason as it is stored and shown."""
    return storable(without_credentials(reason))[:1000]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One message in the outbox."""

    id: int
    facility: str
    facility_name: str
    #: IANA name, of the facility
    timezone: str
    kind: str
    target: str
    body: dict[str, Any]
    key: str
    created_at: datetime
    tries: int


class Outbox:
    """The outbox through one connection in autocommit mode.

    Only the notifier that holds a target's lock sends to it. The lock ends with the connection: a
    killed notifier releases all of them, and one that lost its connection can mark nothing.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def due_targets(self) -> set[str]:
        """Read the targets of messages that are due."""
        cursor = await self._connection.execute(_DUE_TARGETS)
        return {row[0] for row in await cursor.fetchall()}

    async def take(self, target: str) -> bool:
        """Lock a target for this notifier; return False if another has it."""
        cursor = await self._connection.execute(_TAKE, (_lock_of(target),))
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def release(self, target: str) -> None:
        """Release a target."""
        await self._connection.execute(_RELEASE, (_lock_of(target),))

    async def due(
        self, target: str, *, limit: int, busy: Collection[int], only: str | None = None
    ) -> list[Row]:
        """Read due messages, the oldest first, at most one of each lane; ``only``: of a kind."""
        async with self._connection.cursor(row_factory=class_row(Row)) as cursor:
            await cursor.execute(
                _DUE, {"target": target, "limit": limit, "busy": list(busy), "only": only}
            )
            return await cursor.fetchall()

    async def mark_delivered(self, ids: Collection[int]) -> None:
        """Mark messages as delivered; durable when it returns."""
        await self._connection.execute(_DELIVERED, (list(ids),))

    async def postpone(self, row_id: int, *, wait_s: float, reason: str) -> None:
        """Retry a message later."""
        await self._connection.execute(
            _POSTPONE,
            {
                "id": row_id,
                "wait_s": wait_s,
                "reason": _storable(reason),
            },
        )

    async def due_now(self, ids: Collection[int]) -> None:
        """Retry messages at once, if they are still pending."""
        await self._connection.execute(_DUE_NOW, (list(ids),))

    async def all_due_now(self, target: str) -> None:
        """Retry at once whatever waits for a target, whoever postponed it, and why."""
        await self._connection.execute(_ALL_DUE_NOW, (target,))

    async def due_again(self, *, max_s: float) -> int:
        """Make due what is postponed for more than ``max_s``, or was never tried; return how many.

        After a clock was set back, it would wait for as long as that clock was ahead.
        """
        cursor = await self._connection.execute(_DUE_AGAIN, {"max_s": max_s})
        return cursor.rowcount

    async def abandon(self, row_id: int, reason: str) -> None:
        """Stop retrying a message."""
        await self._connection.execute(_ABANDON, {"id": row_id, "reason": _storable(reason)})

    async def repeatable(self, target: str) -> list[Row]:
        """Read the last delivered message of each alert that fires or resolved lately."""
        async with self._connection.cursor(row_factory=class_row(Row)) as cursor:
            await cursor.execute(_REPEATABLE, {"target": target, "resolved_s": _RESOLVED_REPEAT_S})
            return await cursor.fetchall()

    async def pending(self) -> tuple[int, float]:
        """Count the pending messages; also return the age of the oldest in seconds."""
        cursor = await self._connection.execute(_PENDING)
        row = await cursor.fetchone()
        return (0, 0.0) if row is None else (int(row[0]), float(row[1]))

    async def set_aside(self) -> tuple[int, str]:
        """Count the messages set aside in the last day; also return the reason of one of them."""
        cursor = await self._connection.execute(_SET_ASIDE, (CANNOT_BE_SENT,))
        row = await cursor.fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1] or ""))

    async def forget(self) -> int:
        """Delete messages delivered long ago; return how many."""
        cursor = await self._connection.execute(_FORGET, {"days": _KEPT_DAYS})
        return cursor.rowcount


def _lock_of(target: str) -> int:
    """Return a number that stands for a target in PostgreSQL's advisory locks."""
    digest = hashlib.blake2b(f"tonne.notify {target}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
