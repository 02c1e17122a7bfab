"""Drop raw readings that are older than they are to be kept, between two turns of the loop."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import structlog

from services.core.runtime import metrics
from services.core.store.readings import retention

log = structlog.get_logger()

#: Chunks hold a week: nothing is gained by looking more often.
_LOOK_EVERY_S = 600.0

#: What was raised is dropped soon after, when those who may not have known have ended.
_LOOK_AGAIN_S = 2.0


class Retention:
    """Looks now and then for readings that can go; with ``keep_days`` 0 nothing ever does."""

    def __init__(self, keep_days: int) -> None:
        self._keep_days = keep_days
        self._next_at = 0.0
        self._raised: int | None = None

    def step(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        """Drop what can go, if it is time to look; says in the log what went."""
        if not self._keep_days or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _LOOK_EVERY_S
        if self._raised is None:
            before = now - timedelta(days=self._keep_days)
            self._raised = retention.raise_horizon(connection, before)
        if self._raised is None:
            return
        if not retention.may_drop(connection, self._raised):
            self._next_at = time.monotonic() + _LOOK_AGAIN_S
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
