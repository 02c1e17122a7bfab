"""Pack days of readings and minutes, and months of hours, that are old and settled.

A little at a time, between two turns of the loop: live totals never wait for more than one batch,
and a facility that is needed is left for later. A batch is a transaction, so that whoever is killed
has packed it or has not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, Protocol

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.runtime import metrics
from services.core.store.emissions.hour_packing import candidates as hours
from services.core.store.emissions.packing import candidates as minutes
from services.core.store.packing import walk
from services.core.store.packing.days import (
    NOTHING_PACKED,
    DamagedDayError,
    PackedDay,
    Settled,
    date_of,
    day_of,
)
from services.core.store.readings.packing import candidates as readings
from services.core.store.readings.packing import joining
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import to_us

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


_ROWS: Final = {
    "readings": metrics.aggregator_packed_readings,
    "minutes": metrics.aggregator_packed_minutes,
    "hours": metrics.aggregator_packed_hours,
}


class Candidate(Protocol):
    """What there is of a day, or of several, as rows, old enough to be packed."""

    @property
    def day(self) -> int:
        """Return the first day since the epoch, in UTC."""
        ...

    @property
    def kind(self) -> str:
        """Say of what kind its rows are: readings or minutes."""
        ...

    @property
    def owner(self) -> str:
        """Say whose they are, as in "channel 7"."""
        ...

    def settled(self, connection: psycopg.Connection[Any], quiet_since: datetime) -> Settled | None:
        """Return what packs a candidate that may go; None: it has to wait."""
        ...


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
        #: of facilities, as they are in force
        self._plans: Mapping[int, FacilityPlan] = {}
        self._failure: str | None = None
        self._told_at = monotonic()
        #: rows since the walk began, by kind
        self._packed: dict[str, int] = {}
        self._day: int | None = None

    def first_warm_day(self, now: datetime) -> int:
        """Return the first day (since the epoch) that is too young to be packed; 0: all are."""
        return day_of(to_us(now)) - self._after_days if self._after_days else 0

    def step(
        self,
        connection: psycopg.Connection[Any],
        now: datetime,
        *,
        plans: Mapping[int, FacilityPlan] = MappingProxyType({}),
        busy: bool = False,
    ) -> bool:
        """Pack for a moment; return whether there is more to do at once.

        ``plans`` by facility, those in force. ``busy``: there is other work, which comes first.

        What fails is left as it is until all is walked over again: totals do not wait for it.

        :raises psycopg.Error: the connection is gone.
        """
        if not self._after_days or self._monotonic() < self._next_at:
            return False
        if busy and self._monotonic() < self._busy_until:
            return False
        self._plans = plans
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
                self._fail(candidate, candidate.day, error)
        self._tell()
        return True

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        if self._failure is None:
            return []
        return [{"code": "packing-failed", "detail": self._failure}]

    def _candidate(
        self,
        connection: psycopg.Connection[Any],
        now: datetime,
    ) -> Candidate | None:
        if self._next is None:
            if self._walk is None:
                before = now.astimezone(UTC) - timedelta(days=self._after_days)
                midnight = before.replace(hour=0, minute=0, second=0, microsecond=0)
                self._walk = chain(
                    readings.walk(connection, midnight),
                    joining.walk(connection, midnight),
                    minutes.walk(connection, midnight, self._plans),
                    hours.walk(connection, midnight),
                )
                self._failure = None
            self._next = next(self._walk, None)
        return self._next

    def _batch(
        self,
        connection: psycopg.Connection[Any],
        candidate: Candidate | None,
        now: datetime,
    ) -> None:
        """Pack candidates of one facility in one transaction, the first of which is given."""
        ends_at = self._monotonic() + _BATCH_S
        facility_id, done = None, list[tuple[str, PackedDay]]()
        with connection.transaction():
            while candidate is not None:
                settled = candidate.settled(connection, now - self._quiet)
                if facility_id is None and settled is not None:
                    if walk.take(connection, settled.facility_id):
                        facility_id = settled.facility_id
                        # others may have written until it was held
                        settled = candidate.settled(connection, now - self._quiet)
                    else:
                        settled = None
                if settled is not None and settled.facility_id != facility_id:
                    break
                if settled is not None:
                    packed = self._pack(connection, candidate, settled)
                    done.append((candidate.kind, packed))
                    self._day = candidate.day
                self._next = None
                if self._monotonic() >= ends_at:
                    break
                candidate = self._candidate(connection, now)
        for kind, packed in done:
            self._packed[kind] = self._packed.get(kind, 0) + packed.rows
            _ROWS[kind].inc(packed.rows)
            metrics.aggregator_packed_days.inc(packed.days if packed.rows else 0)
            metrics.aggregator_packed_bytes.inc(packed.packed_bytes)

    def _pack(
        self,
        connection: psycopg.Connection[Any],
        candidate: Candidate,
        settled: Settled,
    ) -> PackedDay:
        """Pack one; what fails takes no other of the batch with it, nor other days of its own."""
        if len(settled.by_day) > 1:
            try:
                with connection.transaction():
                    return settled.pack()
            except Exception as error:
                if connection.closed:
                    raise
                log.info("days are packed one by one", owner=candidate.owner, why=sentence(error))
        packs = settled.by_day or {candidate.day: settled.pack}
        return sum(
            (self._pack_day(connection, candidate, day, pack) for day, pack in packs.items()),
            start=NOTHING_PACKED,
        )

    def _pack_day(
        self,
        connection: psycopg.Connection[Any],
        candidate: Candidate,
        day: int,
        pack: Callable[[], PackedDay],
    ) -> PackedDay:
        try:
            with connection.transaction():
                return pack()
        except Exception as error:
            if connection.closed:
                raise
            self._fail(candidate, day, error)
            return NOTHING_PACKED

    def _rest(self, connection: psycopg.Connection[Any]) -> None:
        self._walk = None
        self._next_at = self._monotonic() + _REST_S
        freed = walk.free_room(connection)
        if any(self._packed.values()) or freed:
            log.info("old history packed", **self._packed, chunks_freed=freed)
        self._packed = {}

    def _walk_again_later(self, error: Exception) -> None:
        self._walk = None
        self._next_at = self._monotonic() + _REST_S
        self._failure = (
            f"old history could not be looked for ({sentence(error)}); it is tried again in"
            f" {_REST_S / 60:g} minutes: see the aggregator's log"
        )
        log.error("old history could not be looked for", exc_info=error)

    def _fail(self, candidate: Candidate, day: int, error: Exception) -> None:
        if isinstance(error, psycopg.errors.SerializationFailure):
            # somebody wrote into it meanwhile: it is walked over again
            return
        reason = str(error) if isinstance(error, DamagedDayError) else sentence(error)
        self._failure = (
            f"the {candidate.kind} of {candidate.owner} on {date_of(day)} could not be"
            f" packed ({reason}); they are kept as they are, and it is tried again every"
            f" {_REST_S / 60:g} minutes: see the aggregator's log"
        )
        log.error(
            "a day could not be packed",
            kind=candidate.kind,
            owner=candidate.owner,
            day=day,
            exc_info=error,
        )

    def _tell(self) -> None:
        if self._monotonic() - self._told_at < _TELL_EVERY_S or self._day is None:
            return
        self._told_at = self._monotonic()
        log.info("packing old history", **self._packed, at=date_of(self._day))
