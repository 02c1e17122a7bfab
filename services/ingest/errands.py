"""What is asked at ingest's door beside readings of devices: a person's corrections of readings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import psycopg

from services.core.runtime.reading_door import Answer, Head
from services.core.runtime.stated_readings import StatedReading, StatedReadings
from services.core.store.audit.record import come_from
from services.core.store.database import connect
from services.ingest.amend import Author, amend
from services.ingest.prepare import TimeBounds
from services.ingest.sqlstate import ErrorKind, classify

#: Somebody else may write the same readings at the same moment.
_TRIES: Final = 4

_AWAY: Final = "ingest cannot write to its database at present"


class Errands:
    """Does each with a connection of its own, so that what devices send does not wait for it."""

    def __init__(self, url: str, bounds: TimeBounds) -> None:
        self._url = url
        self._bounds = bounds

    def __call__(self, question: Head, body: bytes) -> Answer:
        """Answer what is asked; what it changes is durable then."""
        assert isinstance(question, StatedReadings)  # noqa: S101 - readings go to the pipeline
        try:
            rows = msgspec.json.decode(body, type=list[StatedReading])
        except msgspec.MsgspecError as error:
            return Answer(outcome="unusable", detail=str(error))
        for _ in range(_TRIES):
            try:
                return self._correct(question, rows)
            except psycopg.Error as error:
                if classify(error) not in {ErrorKind.RETRY, ErrorKind.TOO_LONG}:
                    raise
        return Answer(outcome="unable", detail=_AWAY)

    def _correct(self, question: StatedReadings, rows: Sequence[StatedReading]) -> Answer:
        with (
            connect.connect(
                self._url, process="ingest", role="tonne_ingest", autocommit=True
            ) as connection,
            connection.transaction(),
        ):
            come_from(connection, question.address)
            corrected = amend(
                connection,
                question.facility,
                rows,
                Author(by=question.by, reason=question.reason),
                self._bounds,
                datetime.now(UTC),
            )
        return Answer(outcome="taken", corrected=corrected)
