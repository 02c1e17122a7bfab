"""Readiness, read once for all concurrent probes.

Readiness needs no key, so probes must not be able to use up the database's connections: however
many arrive, one connection is open, and an answer is reused for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import psycopg
import structlog

from services.api.presence import Presence
from services.core.runtime import tasks
from services.core.store.database.progress import STALE_AFTER_S
from services.core.store.database.schema_version import SchemaError
from services.core.store.operations.readiness import Notice, Readiness, readiness

log = structlog.get_logger()

#: How long an answer is reused.
HOLDS_S = 1.0
#: Warnings about the registry are reused longer: finding them reads every source and factor.
_STANDS_HOLDS_TIMES = 30
#: A database that takes longer to answer counts as unavailable.
_DATABASE_TIMEOUT_S = 3.0
#: Nobody waits for longer, whatever becomes of what was asked.
_ANSWERS_WITHIN_S = _DATABASE_TIMEOUT_S + 0.5


class Health:
    """The state of the database and of the processes, at most ``holds_s`` old."""

    def __init__(
        self,
        database_url: str,
        *,
        backup_max_age: timedelta,
        holds_s: float = HOLDS_S,
        presence: Presence | None = None,
    ) -> None:
        self._database_url = database_url
        self._backup_max_age = backup_max_age
        self._holds_s = holds_s
        self._presence = presence
        self._reading: asyncio.Task[Readiness | None] | None = None
        self._known: Readiness | None = None
        self._known_at_s = -holds_s
        self._stands: Sequence[Notice] | None = None
        self._stands_at_s = 0.0

    async def read(self) -> Readiness | None:
        """Return the present state; None: the database does not answer."""
        if self._presence is not None and self._presence.is_hanging:
            return None
        if time.monotonic() - self._known_at_s < self._holds_s:
            return self._known
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # A client that goes away must not cancel the answer for the others; and a statement that
        # ran out of time ends when the database agrees to it.
        await asyncio.wait({self._reading}, timeout=_ANSWERS_WITHIN_S)
        return self._reading.result() if self._reading.done() else None

    async def close(self) -> None:
        """End what is being read: whoever asked for it may have left."""
        await tasks.end(self._reading)

    async def _read(self) -> Readiness | None:
        try:
            async with asyncio.timeout(_DATABASE_TIMEOUT_S):
                self._known = await self._look()
        except (psycopg.Error, SchemaError, OSError) as error:
            log.warning("readiness_unknown", error=str(error))
            self._known = None
        self._known_at_s = time.monotonic()
        return self._known

    async def _look(self) -> Readiness:
        now_s = time.monotonic()
        if now_s - self._stands_at_s >= _STANDS_HOLDS_TIMES * self._holds_s:
            self._stands = None
        state = await readiness(
            self._database_url,
            stale_after_s=STALE_AFTER_S,
            backup_max_age=self._backup_max_age,
            stands=self._stands,
        )
        if self._stands is None:
            self._stands, self._stands_at_s = state.stands, now_s
        return state
