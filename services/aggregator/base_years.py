"""Recalculate base years of paths to net zero, a facility at a time, between the loop's turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from services.aggregator.other_cells import Answer, OtherCells
from services.aggregator.sentence import sentence
from services.core.facility.model import ScopePath
from services.core.runtime.cell_urls import HOME
from services.core.store.cells import identity
from services.core.store.emissions import base_years
from services.core.store.emissions.base_years import PathFacility
from services.core.store.emissions.organisation_base_years import (
    members_elsewhere,
    recalculate_organisations,
)

log = structlog.get_logger()

#: When all facilities were looked at, they are again so much later: a base year may wait.
_REST_S: Final = 300.0


class BaseYears:
    """Walks over the facilities that have a path, again and again."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        cells: Mapping[str, str] | None = None,
    ) -> None:
        self._monotonic = monotonic
        #: where facilities of organisations live beside here; None: nowhere
        self._cells = None if not cells else OtherCells(cells)
        #: by organisation, what its base years wait for
        self._lacking: dict[str, list[tuple[str, ScopePath]]] = {}
        self._waiting: list[str] = []
        self._next_at = 0.0
        self._facilities: Iterator[PathFacility] | None = None
        self._failure: str | None = None

    def step(self, connection: psycopg.Connection[Any], now: datetime, *, busy: bool) -> None:
        """Look at one facility; ``busy``: there is other work, which comes first.

        What fails is left as it is until all are looked at again: the figure in force holds on.

        :raises psycopg.Error: the connection is gone.
        """
        if busy:
            return
        answer = None if self._cells is None else self._cells.answer(self._monotonic())
        if answer is None and self._monotonic() < self._next_at:
            return
        try:
            if answer is not None:
                self._of_all_cells(connection, now, answer)
                return
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
            self._ask_cells(connection, now)
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

    def _ask_cells(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        """Ask other cells for what base years of organisations lack here, if they lack anything."""
        if self._cells is not None and self._cells.is_asking:
            # what they answer is of what was lacking when they were asked
            return
        self._lacking = members_elsewhere(connection, now)
        here = identity.here(connection) if self._lacking else None
        if self._cells is not None and here is not None and here.name == HOME:
            # what they answer says what waits
            years = [year for lacking in self._lacking.values() for year in lacking]
            self._cells.ask(years, now, self._monotonic())
            return
        self._waiting = []
        for name, lacking in self._lacking.items():
            facility, _ = lacking[0]
            self._waiting.append(
                f"base years of organisation {name} wait for facility {facility}, which is not here"
                if here is None
                else f"base years of organisation {name} wait for facility {facility} of another"
                " cell: set TONNE_CELLS for the aggregator of the home cell, too"
            )

    def _of_all_cells(
        self, connection: psycopg.Connection[Any], now: datetime, answer: Answer
    ) -> None:
        """Recalculate with what other cells know."""
        for added in recalculate_organisations(connection, now, answer.known):
            log.info("base year recalculated", what=added)
        present = {year.facility for year in answer.known}
        self._waiting = []
        for name, lacking in self._lacking.items():
            facility = next((slug for slug, _ in lacking if slug not in present), None)
            if facility is not None:
                self._waiting.append(_waits(name, facility, answer))

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        failed = [] if self._failure is None else [("base-year-failed", self._failure)]
        waiting = [("base-year-waits", waits) for waits in self._waiting]
        return [{"code": code, "detail": detail} for code, detail in (*failed, *waiting)]


def _waits(name: str, facility: str, answer: Answer) -> str:
    """Say why other cells know nothing of a facility that an organisation counts with."""
    if cells := answer.doubled.get(facility):
        named = " and ".join(cells)
        return (
            f"base years of organisation {name} wait for facility {facility}, which the cells"
            f" {named} have: see which of them is meant, and remove the other"
        )
    if failure := next(iter(answer.failures.items()), None):
        cell, why = failure
        return (
            f"base years of organisation {name} wait for facility {facility}: cell {cell}"
            f" did not answer ({why})"
        )
    return f"base years of organisation {name} wait for facility {facility}, which no cell has"
