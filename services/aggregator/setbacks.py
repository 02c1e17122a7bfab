"""What happens when a tick fails: smaller pieces, then the piece at fault is set aside.

Whatever may be better the next time (a timeout, a deadlock, memory) is tried again in smaller
pieces, a few times, with others between. What fails in any other way, or again in the smallest
piece, is looked for by halves (:mod:`.isolate`); what is found is set aside in the database
(:mod:`services.core.store.emissions.set_aside`), by itself, until it is due to be tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import structlog

from services.aggregator.isolate import Isolation
from services.aggregator.pieces import Pieces
from services.aggregator.sentence import sentence
from services.aggregator.tick import tick
from services.core.runtime import metrics
from services.core.store.emissions import set_aside, windows_unknown
from services.core.store.emissions.set_aside import Piece, SetAside
from services.core.store.registry.plan import FacilityPlan

log = structlog.get_logger()

SERVICE = "aggregator"
FACILITY = "facility"
SOURCE = "source"

#: What fails so often in ever smaller pieces is not only too much.
_MAX_SMALLER = 3

#: Waits after such a failure, which doubles each time.
_FIRST_PAUSE_S = 0.5

#: What the whole database suffers from, and no piece is at fault for: its disk is full or broken,
#: or it became a standby, whose successor will write again.
NOBODYS_FAULT = (
    psycopg.errors.DiskFull,
    psycopg.errors.IoError,
    psycopg.errors.ReadOnlySqlTransaction,
)

#: A smaller piece may do where these stopped a larger one.
_TOO_MUCH = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout, MemoryError)


@dataclass(kw_only=True, slots=True)
class _Trouble:
    """A facility that failed, as this process knows it."""

    failures: int = 0
    #: of the monotonic clock
    paused_until_s: float = 0.0
    isolation: Isolation | None = None


class Setbacks:
    """What this process knows of facilities that failed, and what is set aside of any."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._troubles: dict[int, _Trouble] = {}
        self._aside: dict[int, list[SetAside]] = {}
        self._revision = -1

    def refresh(self, connection: psycopg.Connection[Any], revision: int) -> None:
        """Read what is set aside, by whichever aggregator."""
        if revision != self._revision:
            # what failed may have been mended
            self._troubles = {}
        self._revision = revision
        self._aside = {}
        count = 0
        for entry in set_aside.of_service(connection, SERVICE, revision):
            self._aside.setdefault(entry.facility_id, []).append(entry)
            count += 1
        metrics.aggregator_set_aside.set(count)

    def is_left_alone(self, facility_id: int) -> bool:
        """Whether the facility waits before it is tried again."""
        trouble = self._troubles.get(facility_id)
        if trouble is not None and self._monotonic() < trouble.paused_until_s:
            return True
        return any(
            entry.kind == FACILITY and not entry.due for entry in self._set_aside(facility_id)
        )

    def pieces(self, facility_id: int, usual: Pieces) -> Pieces:
        """How much is tried at once."""
        trouble = self._troubles.get(facility_id)
        return usual if trouble is None else usual.smaller(trouble.failures)

    def plan(self, plan: FacilityPlan) -> FacilityPlan:
        """Return the facility without the sources that are set aside."""
        names = {entry.name for entry in self._set_aside(plan.id) if entry.kind == SOURCE}
        if not names:
            return plan
        return plan.without([s.id for s in plan.sources.values() if s.slug in names])

    def first(self, connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime) -> bool:
        """Do a step of what comes before a facility's tick, if any; return whether there was one.

        That is to go on looking for what fails, or to try again what was set aside.
        """
        trouble = self._troubles.get(plan.id)
        if trouble is not None and trouble.isolation is not None:
            self._isolate(connection, plan, trouble, trouble.isolation, now)
            return True
        for entry in self._set_aside(plan.id):
            if entry.kind == SOURCE and entry.due:
                self._try_again(connection, plan, entry, now)
                return True
        return False

    def record_success(self, connection: psycopg.Connection[Any], plan: FacilityPlan) -> None:
        """Note that a tick of the facility was done."""
        self._troubles.pop(plan.id, None)
        for entry in self._set_aside(plan.id):
            if entry.kind == FACILITY:
                set_aside.release(connection, SERVICE, entry.piece)
                log.info("taken_up_again", facility=plan.slug)

    def failed(self, plan: FacilityPlan, error: Exception) -> None:
        """Note that a tick of the facility failed; nothing of it was kept."""
        trouble = self._troubles.setdefault(plan.id, _Trouble())
        trouble.failures += 1
        metrics.aggregator_failed_ticks.inc()
        log.error(
            "tick_failed",
            facility=plan.slug,
            error=sentence(error),
            failures=trouble.failures,
            exc_info=error,
        )
        if isinstance(error, _TOO_MUCH) and trouble.failures <= _MAX_SMALLER:
            pause_s = _FIRST_PAUSE_S * 2 ** (trouble.failures - 1)
            trouble.paused_until_s = self._monotonic() + pause_s
        else:
            trouble.isolation = Isolation(plan.sources)

    def unplanned(
        self,
        connection: psycopg.Connection[Any],
        facility_id: int,
        error: Exception,
        revision: int,
    ) -> None:
        """Set a facility aside whose configuration, as it is stored, cannot be used."""
        reason = f"its configuration cannot be used: {sentence(error)}; apply its file again"
        piece = Piece(facility_id=facility_id, kind=FACILITY)
        set_aside.put(connection, SERVICE, piece, reason, revision)
        log.error("set_aside", facility_id=facility_id, reason=reason, exc_info=error)

    def cut(self, plan: FacilityPlan) -> None:
        """Note that the connection was lost in a tick: a smaller one comes next."""
        self._troubles.setdefault(plan.id, _Trouble()).failures += 1

    def _set_aside(self, facility_id: int) -> list[SetAside]:
        return self._aside.get(facility_id, [])

    def _isolate(
        self,
        connection: psycopg.Connection[Any],
        plan: FacilityPlan,
        trouble: _Trouble,
        isolation: Isolation,
        now: datetime,
    ) -> None:
        isolation.step(lambda part: self._trial(connection, plan, part, now))
        if not isolation.is_done:
            return
        trouble.isolation = None
        if isolation.whole is not None:
            self._put(connection, plan, Piece(facility_id=plan.id, kind=FACILITY), isolation.whole)
        for source_id, reason in isolation.culprits.items():
            piece = Piece(facility_id=plan.id, kind=SOURCE, name=plan.sources[source_id].slug)
            with connection.transaction():
                self._put(connection, plan, piece, reason)
                windows_unknown.forget(connection, source_id)
        if isolation.whole is None and not isolation.culprits and trouble.failures > _MAX_SMALLER:
            # no part of it fails by itself, and all of it does again and again
            piece = Piece(facility_id=plan.id, kind=FACILITY)
            self._put(connection, plan, piece, "its sources fail together, and none of them alone")
        self.refresh(connection, self._revision)

    def _try_again(
        self,
        connection: psycopg.Connection[Any],
        plan: FacilityPlan,
        aside: SetAside,
        now: datetime,
    ) -> None:
        ids = [source.id for source in plan.sources.values() if source.slug == aside.name]
        reason = self._trial(connection, plan, frozenset(ids), now) if ids else None
        if reason is None:
            set_aside.release(connection, SERVICE, aside.piece)
            log.info("taken_up_again", facility=plan.slug, source=aside.name)
        else:
            self._put(connection, plan, aside.piece, reason)
        self.refresh(connection, self._revision)

    def _trial(
        self,
        connection: psycopg.Connection[Any],
        plan: FacilityPlan,
        part: frozenset[int],
        now: datetime,
    ) -> str | None:
        alone = plan.without(plan.sources.keys() - part)
        try:
            tick(connection, alone, now, pieces=self.pieces(plan.id, Pieces()), trial=True)
        except NOBODYS_FAULT:
            raise
        except Exception as error:
            if connection.closed:
                raise
            return sentence(error)
        return None

    def _put(
        self,
        connection: psycopg.Connection[Any],
        plan: FacilityPlan,
        piece: Piece,
        reason: str,
    ) -> None:
        set_aside.put(connection, SERVICE, piece, reason, self._revision)
        log.error("set_aside", facility=plan.slug, source=piece.name or None, reason=reason)
