"""The outbox in the database: what is to be told, to whom, and whether it was."""

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

#: Messages that were told are kept for a month; the alerts themselves for good.
_KEPT_DAYS = 30
#: A resolved alert is repeated for so long to whoever wants to be told again and again.
_RESOLVED_REPEAT_S = 900.0

#: How the reason of a message begins that was set aside.
CANNOT_BE_TOLD = "cannot be told: "

_DUE_TARGETS = """
SELECT DISTINCT target FROM outbox
WHERE delivered_at IS NULL AND abandoned_at IS NULL AND next_try_at <= now()
"""

# In order: a message waits until the one before it in its lane was told.
_DUE = """
SELECT o.id, f.slug AS facility, o.kind, o.target, o.body, o.key, o.created_at, o.tries
FROM outbox o JOIN facility f ON f.id = o.facility_id
WHERE o.target = %(target)s AND o.delivered_at IS NULL AND o.abandoned_at IS NULL
  AND o.next_try_at <= now() AND o.id <> ALL(%(busy)s)
  AND (%(only)s::text IS NULL OR o.kind = %(only)s)
  AND NOT EXISTS (
    SELECT FROM outbox e
    WHERE e.target = o.target AND e.lane = o.lane AND e.id < o.id
      AND e.delivered_at IS NULL AND e.abandoned_at IS NULL)
ORDER BY o.id LIMIT %(most)s
"""

_TOLD = """
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

# A try is never put off for longer than a recipient may be left alone, and the first one not at
# all: what is due later was dated by a clock that was ahead.
_DUE_AGAIN = """
UPDATE outbox SET next_try_at = clock_timestamp()
WHERE delivered_at IS NULL AND abandoned_at IS NULL
  AND next_try_at > clock_timestamp()
      + make_interval(secs => CASE WHEN tries = 0 THEN 0 ELSE %(most_s)s END)
"""

_SET_ASIDE = """
SELECT count(*), max(last_error) FROM outbox
WHERE abandoned_at > now() - interval '1 day' AND starts_with(last_error, %s)
"""

_ABANDON = """
UPDATE outbox SET abandoned_at = clock_timestamp(), last_error = %(reason)s WHERE id = %(id)s
"""

# The newest told message of each lane, where it says that something fires.
_STANDING = """
SELECT o.id, f.slug AS facility, o.kind, o.target, o.body, o.key, o.created_at, o.tries
FROM (
    SELECT DISTINCT ON (lane) * FROM outbox
    WHERE target = %(target)s AND delivered_at IS NOT NULL AND alert_id IS NOT NULL
    ORDER BY lane, id DESC) o
JOIN facility f ON f.id = o.facility_id
WHERE o.kind <> 'resolved' OR o.delivered_at > now() - make_interval(secs => %(resolved_s)s)
ORDER BY o.id
"""

_WAITING = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
FROM outbox WHERE delivered_at IS NULL AND abandoned_at IS NULL
"""

# What fires is kept however old it is: it is still to be repeated.
_FORGET = """
DELETE FROM outbox o
WHERE coalesce(o.delivered_at, o.abandoned_at) < now() - make_interval(days => %(days)s)
  AND (o.kind = 'resolved' OR o.alert_id IS NULL OR EXISTS (
    SELECT FROM outbox n WHERE n.target = o.target AND n.lane = o.lane AND n.id > o.id))
"""

_TAKE = "SELECT pg_try_advisory_lock(%s)"
_RELEASE = "SELECT pg_advisory_unlock(%s)"


def _kept(reason: str) -> str:
    """Return a reason as it is stored and shown."""
    return storable(without_credentials(reason))[:1000]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One message in the outbox."""

    id: int
    facility: str
    kind: str
    target: str
    body: dict[str, Any]
    key: str
    created_at: datetime
    tries: int


class Outbox:
    """The outbox through one connection in autocommit mode.

    A target is worked on by whoever holds its lock, which ends with the connection: a killed
    notifier gives all of them back at once, and one that lost its connection can mark nothing.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def due_targets(self) -> set[str]:
        """Read the targets of messages that are due."""
        cursor = await self._connection.execute(_DUE_TARGETS)
        return {row[0] for row in await cursor.fetchall()}

    async def take(self, target: str) -> bool:
        """Take a target for this notifier; False if another has it."""
        cursor = await self._connection.execute(_TAKE, (_lock_of(target),))
        row = await cursor.fetchone()
        return bool(row and row[0])

    async def release(self, target: str) -> None:
        """Let others have a target."""
        await self._connection.execute(_RELEASE, (_lock_of(target),))

    async def due(
        self, target: str, *, most: int, busy: Collection[int], only: str | None = None
    ) -> list[Row]:
        """Read due messages, the oldest first, at most one of each lane; ``only``: of a kind."""
        async with self._connection.cursor(row_factory=class_row(Row)) as cursor:
            await cursor.execute(
                _DUE, {"target": target, "most": most, "busy": list(busy), "only": only}
            )
            return await cursor.fetchall()

    async def told(self, ids: Collection[int]) -> None:
        """Mark messages as told; durable when it returns."""
        await self._connection.execute(_TOLD, (list(ids),))

    async def postpone(self, row_id: int, *, wait_s: float, reason: str) -> None:
        """Try a message again later."""
        await self._connection.execute(
            _POSTPONE,
            {
                "id": row_id,
                "wait_s": wait_s,
                "reason": _kept(reason),
            },
        )

    async def due_now(self, ids: Collection[int]) -> None:
        """Try messages again at once, as far as they still wait."""
        await self._connection.execute(_DUE_NOW, (list(ids),))

    async def due_again(self, *, most_s: float) -> int:
        """Make due what is put off for more than ``most_s``, or was never tried; return how many.

        A clock that was set back would have it wait as long as that clock was ahead.
        """
        cursor = await self._connection.execute(_DUE_AGAIN, {"most_s": most_s})
        return cursor.rowcount

    async def abandon(self, row_id: int, reason: str) -> None:
        """Try a message no more."""
        await self._connection.execute(_ABANDON, {"id": row_id, "reason": _kept(reason)})

    async def standing(self, target: str) -> list[Row]:
        """Read what a target was told last of each alert that still fires or resolved lately."""
        async with self._connection.cursor(row_factory=class_row(Row)) as cursor:
            await cursor.execute(_STANDING, {"target": target, "resolved_s": _RESOLVED_REPEAT_S})
            return await cursor.fetchall()

    async def waiting(self) -> tuple[int, float]:
        """Count the messages that wait, and the seconds that the oldest of them has."""
        cursor = await self._connection.execute(_WAITING)
        row = await cursor.fetchone()
        return (0, 0.0) if row is None else (int(row[0]), float(row[1]))

    async def set_aside(self) -> tuple[int, str]:
        """Count the messages that were set aside in the last day, and read why one of them was."""
        cursor = await self._connection.execute(_SET_ASIDE, (CANNOT_BE_TOLD,))
        row = await cursor.fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1] or ""))

    async def forget(self) -> int:
        """Delete what was told long ago; return how many messages."""
        cursor = await self._connection.execute(_FORGET, {"days": _KEPT_DAYS})
        return cursor.rowcount


def _lock_of(target: str) -> int:
    """Return a number that stands for a target in PostgreSQL's advisory locks."""
    digest = hashlib.blake2b(f"tonne.notify {target}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
