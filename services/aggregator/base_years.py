"""Recalculate base years of paths to net zero, a facility at a time, between the loop's turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.store.emissions import base_years
from services.core.store.emissions.base_years import PathFacility
from services.core.store.emissions.organisation_base_years import recalculate_organisations

log = structlog.get_logger()

#: When all facilities were looked at, they are again so much later: a base year may wait.
_REST_S: Final = 300.0


class BaseYears:
    """Walks over the facilities that have a path, again and again."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next_at = 0.0
        self._facilities: Iterator[PathFacility] | None = None
        self._failure: str | None = None

    def step(self, connection: psycopg.Connection[Any], now: datetime, *, busy: bool) -> None:
        """Look at one facility; ``busy``: there is other work, which comes first.

        What fails is left as it is until all are looked at again: the figure in force holds on.

        :raises psycopg.Error: the connection is gone.
        """
        if busy or self._monotonic() < self._next_at:
            return
        try:
            if self._facilities is None:
                self._facilities = iter(base_years.facilities(connection))
                self._failure = None
            facility = next(self._facilities, None)
            if facility is not None:
                for added in base_years.recalculate(connection, facility, now):
                    log.info("base year recalculated", facility=facility.id, what=added)
                return
            for added in recalculate_organisations(connection, now):
                log.info("base year recalculated", what=added)
        except Exception as error:
            if connection.closed:
                raise
            self._failure = (
                f"a base year could not be recalculated ({sentence(error)}); the figure in force"
                f" holds on, and it is tried again in {_REST_S / 60:g} minutes: see the"
                " aggregator's log"
            )
            log.exception("base year could not be recalculated")
        self._facilities = None
        self._next_at = self._monotonic() + _REST_S

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        if self._failure is None:
            return []
        return [{"code": "base-year-failed", "detail": self._failure}]
