"""Store sums of hours by local day and month where they are absent, between two turns of the loop.

A little at a time: live totals never wait for more than one batch, and a facility that is needed is
left for later. A batch is a transaction, so that whoever is killed has stored its sums or has not,
and what is stored is never looked at again. Whoever changes an hour removes its sums; they are
absent then, and found by the next walk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.runtime import metrics
from services.core.store.emissions import stored_sums
from services.core.store.emissions.stored_sums import AbsentSums, SummedFacility, Table
from services.core.timeline import local_days
from services.core.timeline.local_days import Period

log = structlog.get_logger()

#: What one turn of the loop spends on it, beside the batch that is begun last.
_BUDGET_S: Final = 0.1

#: Where facilities have work, so much later again: they have nine tenths of the time.
_BUSY_S: Final = 1.0

#: Hours that one batch reads: about a tenth of a second.
_BATCH_HOURS: Final = 50_000

#: When all was walked over, it is done again so much later: what was restated is summed again.
_REST_S: Final = 120.0

_TELL_EVERY_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    """Sums of a facility that are stored in one transaction."""

    facility: SummedFacility
    table: Table
    periods: Sequence[Period]
    sums: Sequence[AbsentSums]


class Summing:
    """Walks over all facilities, again and again, the newest month of each first."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next_at = 0.0
        self._busy_until = 0.0
        self._facilities: Iterator[SummedFacility] | None = None
        self._batches: Iterator[_Batch | None] = iter(())
        self._failure: str | None = None
        self._told_at = monotonic()
        self._stored = 0
        self._month: str | None = None

    def step(
        self, connection: psycopg.Connection[Any], now: datetime, *, busy: bool = False
    ) -> bool:
        """Sum for a moment; return whether there is more to do at once.

        ``busy``: there is other work, which comes first.

        What fails is left as it is until all is walked over again: nothing waits for it, for
        answers take hours where no sum is stored.

        :raises psycopg.Error: the connection is gone.
        """
        if self._monotonic() < self._next_at:
            return False
        if busy and self._monotonic() < self._busy_until:
            return False
        ends_at = self._monotonic() + _BUDGET_S
        self._busy_until = ends_at + _BUSY_S
        while self._monotonic() < ends_at:
            try:
                if not self._go_on(connection, now):
                    self._rest()
                    return False
            except Exception as error:
                if connection.closed:
                    raise
                self._fail(error)
                if self._facilities is None:
                    self._rest()
                    return False
        self._tell()
        return True

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        if self._failure is None:
            return []
        return [{"code": "summing-failed", "detail": self._failure}]

    def _go_on(self, connection: psycopg.Connection[Any], now: datetime) -> bool:
        """Look for a batch, or store one; return whether there may be more."""
        if self._facilities is None:
            self._facilities = iter(stored_sums.facilities(connection))
            self._failure = None
        for batch in self._batches:
            if batch is not None:
                self._store(connection, batch)
            return True
        facility = next(self._facilities, None)
        if facility is None:
            return False
        self._batches = _batches(connection, facility, now)
        return True

    def _store(self, connection: psycopg.Connection[Any], batch: _Batch) -> None:
        with connection.transaction():
            if not stored_sums.take(connection, batch.facility):
                return
            stored, hours = stored_sums.fill(connection, batch.table, batch.periods, batch.sums)
        self._stored += stored
        self._month = f"{batch.periods[0].begins:%Y-%m-%d}"
        metrics.aggregator_stored_sums.inc(stored)
        metrics.aggregator_summed_hours.inc(hours)

    def _rest(self) -> None:
        self._facilities = None
        self._next_at = self._monotonic() + _REST_S
        if self._stored:
            log.info("sums of days and months stored", sums=self._stored)
        self._stored = 0

    def _fail(self, error: Exception) -> None:
        """Leave the facility in hand until the next walk."""
        self._batches = iter(())
        self._failure = (
            f"sums of days and months could not be stored ({sentence(error)}); answers are made of"
            f" hours meanwhile, and it is tried again in {_REST_S / 60:g} minutes: see the"
            " aggregator's log"
        )
        log.error("sums could not be stored", exc_info=error)

    def _tell(self) -> None:
        if self._monotonic() - self._told_at < _TELL_EVERY_S or self._month is None:
            return
        self._told_at = self._monotonic()
        log.info("storing sums of days and months", sums=self._stored, at=self._month)


def _batches(
    connection: psycopg.Connection[Any], facility: SummedFacility, now: datetime
) -> Iterator[_Batch | None]:
    """Yield what there is to sum of a facility; None: it was looked for it for a while."""
    zone = ZoneInfo(facility.timezone)
    months = [
        past
        for month in local_days.months(zone, facility.first, facility.last)
        if (past := month.until(now)) is not None
    ]
    for month in stored_sums.incomplete(connection, facility.id, months):
        parts: list[tuple[Table, Sequence[Period]]] = [
            ("emission_day", month.days),
            # of one that is not over, what is past
            ("emission_month", [month]),
        ]
        for table, periods in parts:
            yield None
            absent = stored_sums.absent(connection, table, facility.id, periods)
            for sums in _bounded(absent):
                yield _Batch(facility=facility, table=table, periods=periods, sums=sums)


def _bounded(sums: Sequence[AbsentSums]) -> Iterator[Sequence[AbsentSums]]:
    """Split what is absent into batches of about as many hours."""
    batch, hours = list[AbsentSums](), 0
    for of_source in sums:
        batch.append(of_source)
        hours += of_source.hours
        if hours >= _BATCH_HOURS:
            yield batch
            batch, hours = [], 0
    if batch:
        yield batch
