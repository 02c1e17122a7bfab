"""Health is the progress of the main loop: a process says so in the database as it turns.

A thread of its own would go on saying yes while the loop hangs, so the loop itself calls
:meth:`ProgressReporter.report`, and readiness asks how long ago that was.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from typing import Any, Final, Literal, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from services.core.runtime import service_manager
from services.core.runtime.credentials import all_without_credentials
from services.core.runtime.steady_time import TOLERANCE_S, SteadyTime
from services.core.runtime.storable import storable_state

ReportingProcess = Literal["ingest", "aggregator", "notify"]

#: Reports older than this mean that the process hangs or is gone.
STALE_AFTER_S: Final = 10.0

#: In what ingest says of itself: whether it hears devices that nobody registered.
DISCOVERY: Final = "discovery"
#: Not yet, and nobody knows whether it will: what such devices publish now may be lost.
BEGINS: Final = "begins"

#: SQL: seconds since a row of ``process_progress`` was written. A clock that was set back leaves
#: rows in the future, which is no progress: the age counts both ways.
AGE_S: Final[LiteralString] = "abs(extract(epoch FROM now() - progressed_at))"

#: SQL: whether a row of ``process_progress`` is of a process that runs.
RUNS: Final[LiteralString] = f"{AGE_S} < {STALE_AFTER_S}"

# by how much the database's clock is ahead of this process's time is computed as it is written: so
# no report says of a clock that has jumped meanwhile what it was before
_REPORT = f"""
INSERT INTO process_progress (process, instance, started_at, progressed_at, state)
SELECT %(process)s, %(instance)s, %(started_at)s, now(), CASE WHEN ahead.s IS NULL THEN %(state)s
       ELSE %(state)s || jsonb_build_object('clock_jump_s',
           CASE WHEN abs(ahead.s) > {TOLERANCE_S} THEN ahead.s ELSE 0 END) END
FROM (SELECT extract(epoch FROM statement_timestamp())::float8 - %(believed)s::float8 AS s) ahead
ON CONFLICT (process, instance) DO UPDATE
SET started_at = excluded.started_at, progressed_at = now(), state = excluded.state
"""  # noqa: S608 - a number

_FORGET = "DELETE FROM process_progress WHERE process = %s AND instance = %s"

_FORGET_OLD = f"DELETE FROM process_progress WHERE process = %s AND {AGE_S} > 3600"  # noqa: S608 - the age

_ANY_RUNS = f"SELECT EXISTS (SELECT FROM process_progress WHERE process = %s AND {RUNS})"  # noqa: S608 - as above


def runs(connection: psycopg.Connection[Any], process: ReportingProcess) -> bool:
    """Return whether any instance of a process has made progress lately."""
    row = connection.execute(_ANY_RUNS, (process,)).fetchone()
    return bool(row and row[0])


_RUNS_HERE = f"""
SELECT EXISTS (SELECT FROM process_progress WHERE starts_with(instance, %s) AND {RUNS})
"""  # noqa: S608 - as above


def runs_here(connection: psycopg.Connection[Any]) -> bool:
    """Return whether a process of this machine, or container, has made progress lately."""
    row = connection.execute(_RUNS_HERE, (f"{socket.gethostname()}:",)).fetchone()
    return bool(row and row[0])


def _tell(state: dict[str, Any]) -> None:
    """Let the service manager know; a process that has a broker is ready when it hears it."""
    hears = state.get("broker") != "away" and state.get(DISCOVERY) != BEGINS
    service_manager.tell(ready=hears)


class ProgressReporter:
    """Writes this process's progress, at most once a second; the service manager hears of it."""

    def __init__(
        self, process: ReportingProcess, instance: str = "", *, clock: SteadyTime | None = None
    ) -> None:
        """``clock``: the time that the process goes by, which others go by where it jumped."""
        self._process = process
        self._clock = clock
        self._instance = instance or f"{socket.gethostname()}:{os.getpid()}"
        self._started_at = datetime.now(UTC)
        self._next_at = 0.0

    @property
    def due(self) -> bool:
        """Whether a second has passed since the last report."""
        return time.monotonic() >= self._next_at

    def report(self, connection: psycopg.Connection[Any], state: dict[str, Any]) -> None:
        """Write the progress and commit; call when :attr:`due`, outside a transaction."""
        with connection.transaction():
            connection.execute(_REPORT, self._row(state))
            connection.execute(_FORGET_OLD, (self._process,))
        _tell(state)
        self._next_at = time.monotonic() + 1.0

    async def report_async(
        self, connection: psycopg.AsyncConnection[Any], state: dict[str, Any]
    ) -> None:
        """Do the same from a loop of asyncio; ``connection`` is in autocommit mode."""
        await connection.execute(_REPORT, self._row(state))
        await connection.execute(_FORGET_OLD, (self._process,))
        _tell(state)
        self._next_at = time.monotonic() + 1.0

    def _row(self, state: dict[str, Any]) -> dict[str, object]:
        believed = None if self._clock is None else self._clock.believed
        return {
            "process": self._process,
            "instance": self._instance,
            "started_at": self._started_at,
            "state": Jsonb(storable_state(all_without_credentials(state))),
            "believed": None if believed is None else believed.timestamp(),
        }

    def forget(self, connection: psycopg.Connection[Any]) -> None:
        """Take this process off the list: it leaves of its own accord."""
        with connection.transaction():
            connection.execute(_FORGET, (self._process, self._instance))

    async def forget_async(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Do the same from a loop of asyncio; ``connection`` is in autocommit mode."""
        await connection.execute(_FORGET, (self._process, self._instance))
