"""Read what other cells know of base years of organisations, on a thread for each of them.

A cell may hang: nothing of this one may wait for it, and no other cell either.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import psycopg
import structlog

from services.aggregator.sentence import sentence
from services.core.facility.model import ScopePath
from services.core.store.cells import identity
from services.core.store.cells.errors import CellError
from services.core.store.database import open_connections
from services.core.store.database.connect import connect
from services.core.store.database.schema_version import SchemaError
from services.core.store.emissions.organisation_base_years import (
    KnownYears,
    MemberYear,
    known_years,
)

log = structlog.get_logger()

#: No cell takes longer to say what it knows of some years; a thread that waits longer is let go.
_ANSWERS_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What other cells know."""

    #: of facilities that one of them has
    known: dict[MemberYear, int | None] = field(default_factory=dict)
    #: facilities that several have, and these cells: nobody knows whose figures are meant
    doubled: dict[str, list[str]] = field(default_factory=dict)
    #: by cell, why it did not answer
    failures: dict[str, str] = field(default_factory=dict)


class OtherCells:
    """Asks the other cells, one round at a time; ``urls`` are theirs, by name."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = urls
        self._asked: list[_Asked] = []
        self._since_s = 0.0

    @property
    def is_asking(self) -> bool:
        """Return whether a round is under way, or was not taken note of."""
        return bool(self._asked)

    def ask(self, years: Sequence[tuple[str, ScopePath]], now: datetime, at_s: float) -> None:
        """Begin to ask all of them, at ``at_s`` of the monotonic clock."""
        self._asked = [_Asked(name, url, years, now) for name, url in self.urls.items()]
        self._since_s = at_s
        for asked in self._asked:
            asked.thread.start()

    def answer(self, at_s: float) -> Answer | None:
        """Return what they answered, once; None: nobody was asked, or it goes on.

        What takes too long is ended: its cell did not answer.
        """
        if not self._asked:
            return None
        if waiting := [asked for asked in self._asked if asked.thread.is_alive()]:
            if at_s > self._since_s + _ANSWERS_WITHIN_S:
                for asked in waiting:
                    open_connections.cut(asked.url)
            return None
        answered, self._asked = self._asked, []
        return _together(answered)


class _Asked:
    """One cell that is asked."""

    def __init__(
        self, name: str, url: str, years: Sequence[tuple[str, ScopePath]], now: datetime
    ) -> None:
        self.name = name
        self.url = url
        self.known: KnownYears = {}
        self.failure: str | None = None
        self._years = years
        self._now = now
        # whoever ends the process does not wait for a cell that hangs
        self.thread = threading.Thread(target=self._run, name=f"cell {name}", daemon=True)

    def _run(self) -> None:
        try:
            self.known = self._read()
        except (psycopg.Error, SchemaError, CellError) as error:
            log.warning("cell did not answer", cell=self.name, error=sentence(error))
            self.failure = sentence(error)
        except Exception as error:
            log.exception("cell could not be asked", cell=self.name)
            self.failure = sentence(error)

    def _read(self) -> KnownYears:
        with connect(
            self.url, process="aggregator", role="tonne_aggregate", autocommit=True
        ) as connection:
            identity.check(self.name, connection)
            return known_years(connection, self._years, self._now)


def _together(asked: Sequence[_Asked]) -> Answer:
    cells_of: dict[str, list[str]] = {}
    for one in asked:
        for facility in {year.facility for year in one.known}:
            cells_of.setdefault(facility, []).append(one.name)
    return Answer(
        known={
            year: mass
            for one in asked
            for year, mass in one.known.items()
            if len(cells_of[year.facility]) == 1
        },
        doubled={facility: cells for facility, cells in cells_of.items() if len(cells) > 1},
        failures={one.name: one.failure for one in asked if one.failure is not None},
    )
