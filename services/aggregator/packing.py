"""Pack days of readings that are old and settled, between two turns of the loop.

A little at a time: live totals never wait for more than one batch, and a facility that is needed is
left for later. A batch is a transaction, so that whoever is killed has packed it or has not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.runtime import metrics
from services.core.store.readings.packing import candidates, days
from services.core.store.readings.packing.candidates import Candidate
from services.core.store.readings.packing.days import DamagedDayError, PackedDay, date_of

log = structlog.get_logger()

#: What one turn of the loop spends on it, beside the batch that is begun last.
_BUDGET_S: Final = 0.1

#: Where facilities have work, so much later again: they have nine tenths of the time.
_BUSY_S: Final = 1.0

#: A batch is closed after so long: whoever writes into old days of its facility waits for it.
_BATCH_S: Final = 0.1

#: When all was walked over, it is done again so much later.
_REST_S: Final = 600.0

#: A day that readings came to so shortly before is left open: more may follow.
_QUIET: Final = timedelta(hours=1)

_TELL_EVERY_S: Final = 60.0


class Packing:
    """Walks over what is old, again and again; with ``after_days`` 0 nothing is ever packed."""

    def __init__(
        self,
        after_days: int,
        *,
        quiet: timedelta = _QUIET,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after_days = after_days
        self._quiet = quiet
        self._monotonic = monotonic
        self._next_at = 0.0
        self._busy_until = 0.0
        self._walk: Iterator[Candidate] | None = None
        #: begun, but not packed yet
        self._next: Candidate | None = None
        self._failure: str | None = None
        self._told_at = monotonic()
        self._packed = 0
        self._day: int | None = None

    def step(
        self, connection: psycopg.Connection[Any], now: datetime, *, busy: bool = False
    ) -> bool:
        """Pack for a moment; return whether there is more to do at once.

        ``busy``: there is other work, which comes first.

        What fails is left as it is until all is walked over again: totals do not wait for it.

        :raises psycopg.Error: the connection is gone.
        """
        if not self._after_days or self._monotonic() < self._next_at:
            return False
        if busy and self._monotonic() < self._busy_until:
            return False
        ends_at = self._monotonic() + _BUDGET_S
        self._busy_until = ends_at + _BUSY_S
        while self._monotonic() < ends_at:
            candidate = None
            try:
                candidate = self._candidate(connection, now)
                if candidate is None:
                    self._rest(connection)
                    return False
                self._batch(connection, candidate, now)
            except Exception as error:
                if connection.closed:
                    raise
                self._next = None
                if candidate is None:
                    self._walk_again_later(error)
                    return False
                self._fail(candidate, error)
        self._tell()
        return True

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        if self._failure is None:
            return []
        return [{"code": "packing-failed", "detail": self._failure}]

    def _candidate(self, connection: psycopg.Connection[Any], now: datetime) -> Candidate | None:
        if self._next is None:
            if self._walk is None:
                before = now.astimezone(UTC) - timedelta(days=self._after_days)
                midnight = before.replace(hour=0, minute=0, second=0, microsecond=0)
                self._walk = candidates.walk(connection, midnight)
                self._failure = None
            self._next = next(self._walk, None)
        return self._next

    def _batch(
        self, connection: psycopg.Connection[Any], candidate: Candidate | None, now: datetime
    ) -> None:
        """Pack candidates of one facility in one transaction, the first of which is given."""
        ends_at = self._monotonic() + _BATCH_S
        facility_id, packed, readings, packed_bytes = None, 0, 0, 0
        with connection.transaction():
            while candidate is not None:
                facility = candidates.settled(connection, candidate)
                if facility_id is None and facility is not None:
                    if candidates.take(connection, facility):
                        facility_id = facility
                    else:
                        facility = None
                if facility is not None and facility != facility_id:
                    break
                if facility is not None:
                    day = self._pack(connection, candidate, now)
                    packed += day.readings > 0
                    readings += day.readings
                    packed_bytes += day.packed_bytes
                    self._day = candidate.day
                self._next = None
                if self._monotonic() >= ends_at:
                    break
                candidate = self._candidate(connection, now)
        self._packed += readings
        metrics.aggregator_packed_days.inc(packed)
        metrics.aggregator_packed_readings.inc(readings)
        metrics.aggregator_packed_bytes.inc(packed_bytes)

    def _pack(
        self, connection: psycopg.Connection[Any], candidate: Candidate, now: datetime
    ) -> PackedDay:
        """Pack one; what fails takes no other of the batch with it."""
        try:
            with connection.transaction():
                return days.pack(
                    connection,
                    candidate.channel_id,
                    candidate.day,
                    known_before=now - self._quiet,
                )
        except Exception as error:
            if connection.closed:
                raise
            self._fail(candidate, error)
            return PackedDay(readings=0, packed_bytes=0)

    def _rest(self, connection: psycopg.Connection[Any]) -> None:
        self._walk = None
        self._next_at = self._monotonic() + _REST_S
        freed = candidates.free_room(connection)
        if self._packed or freed:
            log.info("old readings packed", readings=self._packed, chunks_freed=freed)
        self._packed = 0

    def _walk_again_later(self, error: Exception) -> None:
        self._walk = None
        self._next_at = self._monotonic() + _REST_S
        self._failure = (
            f"old readings could not be looked for ({sentence(error)}); it is tried again in"
            f" {_REST_S / 60:g} minutes: see the aggregator's log"
        )
        log.error("old readings could not be looked for", exc_info=error)

    def _fail(self, candidate: Candidate, error: Exception) -> None:
        if isinstance(error, psycopg.errors.SerializationFailure):
            # somebody wrote into it meanwhile: it is walked over again
            return
        where = f"channel {candidate.channel_id} on {date_of(candidate.day)}"
        reason = str(error) if isinstance(error, DamagedDayError) else sentence(error)
        self._failure = (
            f"the readings of {where} could not be packed ({reason}); they are kept as they are,"
            f" and it is tried again every {_REST_S / 60:g} minutes: see the aggregator's log"
        )
        log.error(
            "readings could not be packed",
            channel=candidate.channel_id,
            day=candidate.day,
            exc_info=error,
        )

    def _tell(self) -> None:
        if self._monotonic() - self._told_at < _TELL_EVERY_S or self._day is None:
            return
        self._told_at = self._monotonic()
        log.info("packing old readings", readings=self._packed, at=date_of(self._day))
