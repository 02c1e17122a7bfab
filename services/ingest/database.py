"""The connection to the database: held, opened again when lost, and waited for while it is away."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
import structlog

from services.core.runtime import metrics, service_manager
from services.core.runtime.backoff import Backoff
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import connect
from services.core.store.readings import writer
from services.ingest.sqlstate import ErrorKind, classify

Answer = TypeVar("Answer")

#: (connection, whether an earlier try may have been committed) -> answer
Action = Callable[[psycopg.Connection[Any], bool], Answer]

_log: Final = structlog.get_logger()

#: Refusals to connect that waiting does not cure. The client library gives no code for them.
_NEVER: Final = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry"
    r"|is not permitted to log in|permission denied"
)


class DatabaseUnusableError(RuntimeError):
    """The database answers, but waiting will not make it usable."""


class DataRefusedError(Exception):
    """The database will never take this data as it is."""


class TookTooLongError(Exception):
    """The database cut the action off twice: less of it at once may get through."""


class StoppedError(Exception):
    """The process was asked to stop while the database was away."""


class Database:
    """Runs actions against the database, each until it succeeds.

    A ``trial`` does the same and takes it all back. ``clock``: what this process goes by; None: it
    knows no more of the time than others do.
    """

    def __init__(
        self, url: str, shutdown: Shutdown, *, trial: bool = False, clock: SteadyTime | None = None
    ) -> None:
        self._url = url
        self._shutdown = shutdown
        self._clock = clock
        self._trial = trial
        self._connection: psycopg.Connection[Any] | None = None
        self._away = False

    @property
    def now(self) -> datetime | None:
        """The time at which what is stored now is known; None: as others say."""
        return None if self._clock is None else self._clock.believed

    def run(self, action: Action[Answer], *, divisible: bool = False) -> Answer:
        """Run ``action`` (one transaction of its own) until it succeeds, backing off in between.

        One that is ``divisible`` is given up when it took too long twice: what takes longer than
        the database allows would do so for ever.

        :raises TookTooLongError: as said.
        :raises DataRefusedError: the data is at fault.
        :raises DatabaseUnusableError: schema, rights or address are wrong.
        :raises StoppedError: a stop was asked for while the database was away.
        """
        backoff = Backoff()
        tried, cut_off = False, 0
        while True:
            try:
                connection = self._connection or self._connect()
                answer = self._done(action, connection, tried=tried)
            except psycopg.Error as error:
                kind = classify(error)
                if kind is ErrorKind.REFUSED:
                    raise DataRefusedError(_sentence(error)) from error
                if kind is ErrorKind.FATAL:
                    raise DatabaseUnusableError(
                        f"the database refuses to work ({_sentence(error)}); run `tonne migrate`"
                        " with a login that may create roles, then start ingest again"
                    ) from error
                tried = True
                self._lost(error)
                cut_off += kind is ErrorKind.TOO_LONG
                if divisible and cut_off > 1:
                    raise TookTooLongError(_sentence(error)) from error
                # to wait for the database is work: a restart would not bring it back
                service_manager.tell(ready=False)
                if self._shutdown.wait(backoff.next_s()):
                    raise StoppedError from error
            else:
                if self._away:
                    self._away = False
                    _log.info("the database is back")
                return answer

    def _done(
        self, action: Action[Answer], connection: psycopg.Connection[Any], *, tried: bool
    ) -> Answer:
        if not self._trial:
            return action(connection, tried)
        with connection.transaction(force_rollback=True):
            return action(connection, tried)

    def close(self) -> None:
        """Give up the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            connection = connect.connect(
                self._url, process="ingest", role="tonne_ingest", autocommit=True
            )
        except psycopg.OperationalError as error:
            if _NEVER.search(str(error)):
                raise DatabaseUnusableError(
                    f"cannot work with the database of TONNE_DATABASE_URL: {_sentence(error)};"
                    " correct the URL, or run `tonne migrate` to make its schema and roles"
                ) from error
            raise
        try:
            writer.create_staging(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _lost(self, error: psycopg.Error) -> None:
        metrics.ingest_database_retries.inc()
        self.close()
        if not self._away:
            self._away = True
            _log.warning(
                "the database is away; holding the batch until it is back",
                error=_sentence(error),
            )


def _sentence(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    return " ".join(message.split()) + (f" [{error.sqlstate}]" if error.sqlstate else "")
