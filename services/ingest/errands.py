"""What is asked at ingest's door beside readings of devices.

A person's corrections of readings, bills and uploaded files, and what a mapping makes of a message
before it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import psycopg

from services.core.facility.errors import FacilityFileError
from services.core.facility.mapping_expression import MAX_STEPS
from services.core.runtime.reading_door import Answer, Head, MappingTrial
from services.core.runtime.stated_activities import StatedActivities, WithdrawnActivity
from services.core.runtime.stated_readings import StatedReading, StatedReadings
from services.core.runtime.uploads import UploadAsk
from services.core.store.audit.record import come_from, come_from_now_on
from services.core.store.database import connect, database_time
from services.core.store.readings.activity_withdrawals import (
    NotWithdrawnError,
    UnknownActivityError,
    withdraw,
)
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.registry import unapplied
from services.ingest import trial, trial_rows
from services.ingest.amend import Author, amend
from services.ingest.prepare import TimeBounds
from services.ingest.sqlstate import ErrorKind, classify

#: Somebody else may write the same readings at the same moment.
_TRIES: Final = 4

_AWAY: Final = "Ingest cannot write to its database at present"


class Errands:
    """Does each with a connection of its own, so that what devices send does not wait for it."""

    def __init__(
        self,
        url: str,
        bounds: TimeBounds,
        *,
        uploads: Callable[[UploadAsk, bytes], Answer],
        max_steps: int = MAX_STEPS,
    ) -> None:
        """``max_steps``: what a mapping may cost for one message."""
        self._url = url
        self._bounds = bounds
        self._uploads = uploads
        self._max_steps = max_steps

    def __call__(self, question: Head, body: bytes) -> Answer:
        """Answer what is asked; what it changes is durable then."""
        if isinstance(question, MappingTrial):
            return self._tried(question, body)
        if isinstance(question, UploadAsk):
            return self._uploads(question, body)
        if isinstance(question, WithdrawnActivity):
            return self._tried_again(lambda: self._withdraw(question))
        try:
            if isinstance(question, StatedActivities):
                amounts = msgspec.json.decode(body, type=list[dict[str, Any]])
                return self._tried_again(lambda: self._take(question, amounts))
            assert isinstance(question, StatedReadings)  # noqa: S101 - readings go to the pipeline
            rows = msgspec.json.decode(body, type=list[StatedReading])
        except msgspec.MsgspecError as error:
            return Answer(outcome="unusable", detail=str(error))
        return self._tried_again(lambda: self._correct(question, rows))

    def _tried_again(self, write: Callable[[], Answer]) -> Answer:
        for _ in range(_TRIES):
            try:
                return write()
            except psycopg.Error as error:
                if classify(error) not in {ErrorKind.RETRY, ErrorKind.TOO_LONG}:
                    raise
        return Answer(outcome="unable", detail=_AWAY)

    @contextmanager
    def _writing(self, address: str | None) -> Iterator[psycopg.Connection[Any]]:
        """Open one transaction of ingest's login for somebody at ``address``."""
        with (
            connect.connect(
                self._url, process="ingest", role="tonne_ingest", autocommit=True
            ) as connection,
            connection.transaction(),
        ):
            come_from(connection, address)
            yield connection

    def _correct(self, question: StatedReadings, rows: Sequence[StatedReading]) -> Answer:
        with self._writing(question.address) as connection:
            corrected = amend(
                connection,
                question.facility,
                rows,
                Author(by=question.by, reason=question.reason),
                self._bounds,
                database_time.present(connection),
            )
        return Answer(outcome="taken", corrected=corrected)

    def _take(self, question: StatedActivities, rows: Sequence[dict[str, Any]]) -> Answer:
        # what reads rows of bills is loaded by the first who sends some
        from services.ingest import activities  # noqa: PLC0415

        with connect.connect(
            self._url, process="ingest", role="tonne_ingest", autocommit=True
        ) as connection:
            # of each of its transactions
            come_from_now_on(connection, question.address)
            now = database_time.present(connection)
            taken = activities.take(connection, question.facility, rows, by=question.by, now=now)
        return Answer(outcome="taken", activities=taken)

    def _withdraw(self, question: WithdrawnActivity) -> Answer:
        try:
            with self._writing(question.address) as connection:
                number = withdraw(
                    connection,
                    question.facility,
                    question.entry,
                    by=question.by,
                    reason=question.reason,
                )
        except UnknownActivityError as error:
            return Answer(outcome="missing", detail=str(error))
        except NotWithdrawnError as error:
            return Answer(outcome="conflict", detail=str(error))
        except ArchivedDayError as error:
            return Answer(outcome="unusable", detail=str(error))
        return Answer(outcome="taken", withdrawn=number)

    def _tried(self, question: MappingTrial, body: bytes) -> Answer:
        """Try a message with a file that need not be applied: no database is asked."""
        text, payload = body[: question.file_bytes].decode(), body[question.file_bytes :]
        # what reads YAML is loaded by the first who tries a file
        from services.core.facility.file import parse_devices  # noqa: PLC0415

        try:
            devices = unapplied.devices(parse_devices(text))
        except FacilityFileError as error:
            return Answer(outcome="unusable", detail=str(error))
        topics = trial.topics(devices)
        if question.topic is not None:
            if not trial.is_taken(devices, question.topic):
                detail = (
                    f"No device of the file takes messages at {question.topic}; its topics are"
                    f" {', '.join(topics)}"
                )
                return Answer(outcome="unusable", detail=detail)
            topics = (question.topic,)
        by_topic = trial_rows.tried(
            devices,
            payload,
            topics,
            datetime.now(UTC),
            self._bounds,
            max_steps=self._max_steps,
            properties=question.properties,
        )
        rows = [
            trial_rows.flat(devices, topic, verdict)
            for topic, verdicts in by_topic.items()
            for verdict in verdicts
        ]
        return Answer(outcome="taken", rows=rows)
