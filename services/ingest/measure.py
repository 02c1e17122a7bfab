"""What ingest says of its work: metrics, and the state that readiness shows."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from services.core.runtime import metrics
from services.core.store.readings.writer import ReadingRow
from services.ingest.sources.source import Message
from services.ingest.write import Outcome

_log: Final = structlog.get_logger()

#: How often the log repeats that quarantine is full.
_REPEAT_S: Final = 60.0


class Measures:
    """Counts committed batches."""

    def __init__(self) -> None:
        self._tally = _Tally()
        self._newest_s = math.nan
        self._say_at = 0.0
        self._dropped = 0
        metrics.ingest_lag_seconds.set_function(self._lag_s)

    def batch(
        self,
        messages: Sequence[Message],
        rows: Sequence[ReadingRow],
        outcome: Outcome,
        *,
        seconds: float,
    ) -> None:
        """Count a transaction, and the messages of which all is durable with it."""
        now = datetime.now(UTC)
        metrics.ingest_messages.inc(len(messages))
        metrics.ingest_batches.inc()
        if messages:
            metrics.ingest_batch_messages.observe(len(messages))
        metrics.ingest_batch_seconds.observe(seconds)
        # messages of one burst arrived at one time
        for received_at in {message.received_at for message in messages}:
            metrics.ingest_ack_seconds.observe((now - received_at).total_seconds())
        self._note_newest(rows, now.timestamp())
        for result, number in (
            ("stored", outcome.stored),
            ("duplicate", outcome.duplicates),
            ("conflict", outcome.conflicts),
        ):
            metrics.ingest_readings.labels(result).inc(number)
        for reason, number in Counter(entry.reason for entry in outcome.refused).items():
            metrics.ingest_quarantined.labels(reason).inc(number)
        if outcome.shed:
            self._shed(outcome.shed)
        self._tally.add(len(messages), len(outcome.refused), outcome.shed)

    def state(self) -> dict[str, Any]:
        """Return what readiness shows."""
        lag_s = self._lag_s()
        return {**self._tally.state(), "lag_s": None if math.isnan(lag_s) else round(lag_s, 1)}

    def _note_newest(self, rows: Sequence[ReadingRow], now_s: float) -> None:
        if not rows:
            return
        # a device whose clock is ahead must not hide that all others are late
        newest_s = min(max(row.ts_us for row in rows) / 1e6, now_s)
        if not newest_s <= self._newest_s:
            self._newest_s = newest_s

    def _lag_s(self) -> float:
        return time.time() - self._newest_s

    def _shed(self, number: int) -> None:
        metrics.ingest_shed.inc(number)
        self._dropped += number
        if time.monotonic() >= self._say_at:
            _log.warning("quarantine is full; settle what lies there", dropped=self._dropped)
            self._dropped = 0
            self._say_at = time.monotonic() + _REPEAT_S


class _Tally:
    """Messages, refusals and what was shed, of this minute and the one before."""

    def __init__(self) -> None:
        self._minute = 0
        self._now = (0, 0, 0)
        self._before = (0, 0, 0)

    def add(self, messages: int, refused: int, shed: int) -> None:
        """Count a batch."""
        self._turn_over()
        now = self._now
        self._now = (now[0] + messages, now[1] + refused, now[2] + shed)

    def state(self) -> dict[str, Any]:
        """Return what readiness shows; ``mostly_refused``: refusals outnumber half the messages."""
        self._turn_over()
        messages, refused, shed = (
            now + before for now, before in zip(self._now, self._before, strict=True)
        )
        return {
            "messages": messages,
            "refused": refused,
            "shed": shed,
            "mostly_refused": messages >= 20 and (refused + shed) * 2 > messages,
        }

    def _turn_over(self) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else (0, 0, 0)
            self._now = (0, 0, 0)
            self._minute = minute
