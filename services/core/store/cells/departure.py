"""A facility leaves: what is said before, and the one transaction that it leaves in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.core.facility.model import own_topic
from services.core.store.audit.record import record
from services.core.store.cells.equality import Seal, as_proof
from services.core.store.cells.errors import CellError, UnequalError
from services.core.store.cells.parts import REGISTRY, Numbers
from services.core.store.database import locks, notify

#: A tick may take seconds after an outage; nobody who waits for this one waits for longer.
_PATIENCE: Final = "SET LOCAL lock_timeout = '20s'"

#: A new cell that hangs holds a facility, and whoever applies a file, for no longer than this.
_GIVES_UP: Final = "SET LOCAL idle_in_transaction_session_timeout = '60s'"

_IS_PURGED: Final = """
SELECT EXISTS (SELECT FROM facility_purge WHERE facility = %s AND finished_at IS NULL)
"""

_BEGIN: Final = """
INSERT INTO cell_departure (facility, to_cell, begun_by, rows_of, topics)
VALUES (%s, %s, %s, '{}', '{}')
"""

_ROWS: Final = """
UPDATE cell_departure SET rows_of = %s, topics = %s WHERE facility = %s AND finished_at IS NULL
"""

_DEPARTURES: Final = """
SELECT id, facility, to_cell, begun_at, begun_by, left_at, finished_at, rows_of, proof
FROM cell_departure
"""

_TOPICS: Final = """
SELECT DISTINCT d.topic, c.spec ->> 'topic'
FROM device d JOIN channel c ON c.device_id = d.id
WHERE d.facility_id = %(id)s AND d.active AND c.active
"""

#: Of one facility, in the order in which others take several of them.
_LOCKS: Final = (locks.LIVES, locks.FACILITY, locks.HISTORY, locks.SUMS)

_LEFT: Final = "UPDATE cell_departure SET left_at = clock_timestamp(), proof = %s WHERE id = %s"

_RAISE_REVISION: Final = """
WITH raised AS (
    UPDATE registry_revision SET revision = revision + 1, changed_at = now() RETURNING revision)
SELECT pg_notify(%s, revision::text) FROM raised
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """A facility that left, or is about to."""

    id: int
    facility: str
    to_cell: str
    begun_at: datetime
    begun_by: str
    #: None: it lives here
    left_at: datetime | None
    #: None: rows of it are here
    finished_at: datetime | None
    #: numbers by which these are known
    rows_of: Mapping[str, Any]
    proof: Mapping[str, list[str]] | None


def departures(connection: psycopg.Connection[Any], facility: str | None = None) -> list[Departure]:
    """Read what left or is about to, of one facility or of all, the newest first."""
    with connection.cursor(row_factory=class_row(Departure)) as cursor:
        cursor.execute(
            _DEPARTURES
            + "WHERE %(facility)s::text IS NULL OR facility = %(facility)s ORDER BY id DESC",
            {"facility": facility},
        )
        return cursor.fetchall()


def unfinished(connection: psycopg.Connection[Any], facility: str) -> Departure | None:
    """Read the move of a facility that is under way; None: there is none."""
    return next((d for d in departures(connection, facility) if d.finished_at is None), None)


def begin(
    connection: psycopg.Connection[Any], numbers: Numbers, to_cell: str, *, by: str
) -> Departure:
    """Say that a facility is about to leave, or go on with a move that was said before.

    :raises CellError: it is about to leave for another cell, or is being purged.
    """
    facility = str(numbers["facility"])
    with connection.transaction():
        _refuse_purged(connection, facility)
        before = unfinished(connection, facility)
        if before is not None and before.to_cell != to_cell:
            raise CellError(
                f"{facility} is moving to cell {before.to_cell} since"
                f" {before.begun_at:%Y-%m-%d %H:%M} UTC: finish that, or end it with"
                f" `tonne cells cancel {facility}`"
            )
        if before is None:
            connection.execute(_BEGIN, (facility, to_cell, by))
        _note_rows(connection, facility, numbers)
        begun = unfinished(connection, facility)
    assert begun is not None  # noqa: S101 - as written just before
    return begun


def _refuse_purged(connection: psycopg.Connection[Any], facility: str) -> None:
    if connection.execute(_IS_PURGED, (facility,)).fetchone() != (False,):
        raise CellError(
            f"{facility} is being purged, and part of it is gone: finish that with"
            f" `tonne remove {facility} --purge`"
        )


def _note_rows(connection: psycopg.Connection[Any], facility: str, numbers: Numbers) -> None:
    """Keep by what a facility's rows are known, and at what topics its devices speak."""
    topics = {
        topic
        for device, channel in connection.execute(_TOPICS, numbers)
        if (topic := own_topic(device, channel)) is not None
    }
    connection.execute(_ROWS, (Jsonb(dict(numbers)), sorted(topics), facility))


@contextmanager
def frozen(connection: psycopg.Connection[Any], numbers: Numbers) -> Iterator[None]:
    """Open the transaction in which nobody changes anything of a facility.

    Others of the cell go on. Whoever would change it waits, or is refused as ingest is.

    :raises CellError: somebody is at work on it for too long, or purges it.
    """
    try:
        with connection.transaction():
            connection.execute(_PATIENCE)
            connection.execute(_GIVES_UP)
            for single in (locks.REGISTRY, locks.RETENTION, locks.ARCHIVE):
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (single,))
            for kind in _LOCKS:
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (kind, numbers["id"]))
            for series in numbers["series"]:
                connection.execute(
                    "SELECT pg_advisory_xact_lock(%s, %s)", (locks.FACTOR_SERIES, series)
                )
            for part in reversed(REGISTRY):
                connection.execute(
                    sql.SQL("SELECT FROM {} WHERE {} FOR UPDATE").format(
                        part.place, sql.SQL(part.condition)
                    ),
                    numbers,
                )
            connection.execute("SET LOCAL lock_timeout = 0")
            _refuse_purged(connection, str(numbers["facility"]))
            yield
    except psycopg.errors.LockNotAvailable:
        raise CellError(
            f"somebody is at work on {numbers['facility']} (a recomputation, an import, the"
            " archive): try again when that is done; what was copied stays"
        ) from None


def leave(
    connection: psycopg.Connection[Any],
    departure: Departure,
    numbers: Numbers,
    proof: Mapping[str, Seal],
    *,
    by: str,
    step: Callable[[str], None],
) -> None:
    """Take the facility's registry away, in the transaction of :func:`frozen`.

    :raises UnequalError: there are other rows than those that were copied; nothing is taken away.
    """
    # what the file named since the move began has rows too
    _note_rows(connection, departure.facility, numbers)
    for part in REGISTRY:
        gone = connection.execute(
            sql.SQL("DELETE FROM {} WHERE {}").format(part.place, sql.SQL(part.condition)), numbers
        ).rowcount
        if gone != proof[part.table].rows:
            raise UnequalError(
                f"{part.table}: {gone} rows would go where {proof[part.table].rows} were copied"
            )
    connection.execute(_LEFT, (Jsonb(as_proof(proof)), departure.id))
    record(
        connection,
        "facility.move",
        by=by,
        facility=departure.facility,
        subject=departure.to_cell,
        after={"rows": sum(seal.rows for seal in proof.values()), "left": True},
    )
    registry_changed(connection, departure.facility)
    step("about to leave")


def registry_changed(connection: psycopg.Connection[Any], facility: str) -> None:
    """Tell every process that the registry changed, and those who watch the facility."""
    connection.execute(_RAISE_REVISION, (notify.REGISTRY,))
    connection.execute("SELECT pg_notify(%s, %s)", (notify.LIVE, facility))


def as_numbers(departure: Departure) -> Numbers:
    """Return the numbers by which the facility's rows are known."""
    return departure.rows_of
