"""Drop raw readings that are older than they are to be kept, between two turns of the loop."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.runtime import metrics
from services.core.store.readings import retention

log = structlog.get_logger()

#: Chunks hold a week: nothing is gained by looking more often.
_LOOK_EVERY_S = 600.0

#: What was raised is dropped soon after, when those who may not have known have ended.
_LOOK_AGAIN_S = 2.0

#: What is to stay of packed days is opened for so long at a time.
_OPEN_S = 0.2


class Retention:
    """Looks now and then for readings that can go; with ``keep_days`` 0 nothing ever does."""

    def __init__(self, keep_days: int, *, archived_only: bool = False) -> None:
        self._keep_days = keep_days
        self._archived_only = archived_only
        self._waits = False
        self._next_at = 0.0
        self._raised: int | None = None
        self._failure: str | None = None

    def step(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        """Drop the oldest chunk that can go, if it is time to look; says in the log what went.

        What fails is tried again at the next look: totals do not wait for it.

        :raises psycopg.Error: the connection is gone.
        """
        if not self._keep_days or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _LOOK_EVERY_S
        try:
            self._drop(connection, now)
            self._waits = False
        except retention.NotArchivedError:
            self._waits = True
            self._failure = None
        except Exception as error:
            if connection.closed:
                raise
            self._waits = False
            self._failure = sentence(error)
            log.exception("raw readings could not be dropped", keep_days=self._keep_days)
        else:
            self._failure = None

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        if self._waits:
            detail = (
                f"raw readings older than {self._keep_days} days are kept until the archive has"
                " them: run `tonne archive`"
            )
            return [{"code": "retention-waits", "detail": detail}]
        if self._failure is None:
            return []
        detail = (
            f"raw readings older than {self._keep_days} days could not be dropped"
            f" ({self._failure}); they are kept, and it is tried again every"
            f" {_LOOK_EVERY_S / 60:g} minutes: see the aggregator's log"
        )
        return [{"code": "retention-failed", "detail": detail}]

    def _drop(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        if self._raised is None:
            before = now - timedelta(days=self._keep_days)
            self._raised = retention.raise_horizon(
                connection, before, archived_only=self._archived_only
            )
        if self._raised is None:
            return
        if not retention.may_drop(connection, self._raised):
            self._next_at = time.monotonic() + _LOOK_AGAIN_S
            return
        # the next chunk may be old enough too
        self._next_at = time.monotonic() + _LOOK_AGAIN_S
        if not self._opened_tails(connection):
            return
        self._raised = None
        for gone in retention.drop(connection, f"{self._keep_days} days"):
            metrics.aggregator_dropped_readings.inc(gone.readings)
            log.warning(
                "raw readings dropped",
                chunk=gone.chunk,
                from_ts=gone.from_ts.isoformat(),
                to_ts=gone.to_ts.isoformat(),
                channels=gone.channels,
                readings=gone.readings,
                keep_days=self._keep_days,
            )

    def _opened_tails(self, connection: psycopg.Connection[Any]) -> bool:
        """Open packed days that hold what is to stay, for a moment; return whether all are open."""
        ends_at = time.monotonic() + _OPEN_S
        return all(time.monotonic() < ends_at for _ in retention.open_tails(connection))
