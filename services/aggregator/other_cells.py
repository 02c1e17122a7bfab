"""Read what other cells know of base years of organisations, on a thread of its own.

A cell may hang, and nothing of this one may wait for it.
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
from services.core.store.emissions.organisation_base_years import MemberYear, known_years

log = structlog.get_logger()

#: No cell takes longer to say what it knows of some years; a thread that waits longer is let go.
_ANSWERS_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What other cells know."""

    known: dict[MemberYear, int | None] = field(default_factory=dict)
    #: by cell, why it did not answer
    failures: dict[str, str] = field(default_factory=dict)


class OtherCells:
    """Asks the other cells, one round at a time; ``urls`` are theirs, by name."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = urls
        self._asking: _Round | None = None

    def ask(self, years: Sequence[tuple[str, ScopePath]], now: datetime, at_s: float) -> None:
        """Begin to ask, at ``at_s`` of the monotonic clock, unless a round is under way.

        One that takes too long is ended: it answers with what it has.
        """
        if self._asking is None:
            self._asking = _Round(self.urls, years, now, at_s)
            self._asking.thread.start()

    def answer(self, at_s: float) -> Answer | None:
        """Return what they answered, once; None: nobody was asked, or it goes on."""
        asking = self._asking
        if asking is None:
            return None
        if asking.thread.is_alive():
            if at_s > asking.since_s + _ANSWERS_WITHIN_S:
                asking.end()
            return None
        self._asking = None
        return asking.answer


class _Round:
    """One round over all cells, one after the other."""

    def __init__(
        self,
        urls: Mapping[str, str],
        years: Sequence[tuple[str, ScopePath]],
        now: datetime,
        since_s: float,
    ) -> None:
        self.answer = Answer()
        self.since_s = since_s
        self._urls = urls
        self._years = years
        self._now = now
        #: whom it waits for
        self._url: str | None = None
        # whoever ends the process does not wait for a cell that hangs
        self.thread = threading.Thread(target=self._run, name="other cells", daemon=True)

    def _run(self) -> None:
        for name, url in self._urls.items():
            self._url = url
            try:
                self.answer.known.update(self._known(name, url))
            except (psycopg.Error, SchemaError, CellError) as error:
                log.warning("cell did not answer", cell=name, error=sentence(error))
                self.answer.failures[name] = sentence(error)
            except Exception as error:
                log.exception("cell could not be asked", cell=name)
                self.answer.failures[name] = sentence(error)

    def _known(self, name: str, url: str) -> Mapping[MemberYear, int | None]:
        with connect(
            url, process="aggregator", role="tonne_aggregate", autocommit=True
        ) as connection:
            identity.check(name, connection)
            return known_years(connection, self._years, self._now)

    def end(self) -> None:
        """Cut the connection that is waited for; the next cell is asked."""
        if self._url is not None:
            open_connections.cut(self._url)
