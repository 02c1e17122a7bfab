"""A facility arrives: what waits for it, and the one transaction that it comes to live here in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.core.store.audit.record import record
from services.core.store.cells import identity, numbers
from services.core.store.cells.departure import registry_changed
from services.core.store.cells.equality import Seal, as_proof, of_proof
from services.core.store.cells.errors import CellError, UnequalError
from services.core.store.cells.parts import (
    REGISTRY,
    close_waiting,
    numbers_of,
    open_waiting,
)
from services.core.store.database import locks

_ARRIVALS: Final = """
SELECT id, facility, from_cell, begun_at, verified_hours, staged_at, arrived_at, proof
FROM cell_arrival WHERE %(facility)s::text IS NULL OR facility = %(facility)s ORDER BY id DESC
"""

_BEGIN: Final = "INSERT INTO cell_arrival (facility, from_cell) VALUES (%s, %s)"

_STAGED: Final = "UPDATE cell_arrival SET staged_at = clock_timestamp(), proof = %s WHERE id = %s"

_ARRIVED: Final = "UPDATE cell_arrival SET arrived_at = clock_timestamp() WHERE id = %s"

_CLAIMS: Final = """
INSERT INTO cell_facility (slug, cell)
SELECT f.slug, c.name FROM arriving.facility f CROSS JOIN cell c WHERE c.here
ON CONFLICT (slug) DO UPDATE SET cell = excluded.cell WHERE cell_facility.cell <> excluded.cell
"""

_GIVEN_UP: Final = "DELETE FROM cell_arrival WHERE facility = %s AND arrived_at IS NULL"

_HORIZONS: Final = """
INSERT INTO packing_horizon (id, upto_day) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
WHERE packing_horizon.upto_day < excluded.upto_day
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A facility that came, or is about to."""

    id: int
    facility: str
    from_cell: str
    begun_at: datetime
    verified_hours: int | None
    #: None: not all of it is here
    staged_at: datetime | None
    #: None: it does not live here yet
    arrived_at: datetime | None
    proof: Mapping[str, list[str]] | None


def arrivals(connection: psycopg.Connection[Any], facility: str | None = None) -> list[Arrival]:
    """Read what came or is about to, of one facility or of all, the newest first."""
    with connection.cursor(row_factory=class_row(Arrival)) as cursor:
        return cursor.execute(_ARRIVALS, {"facility": facility}).fetchall()


def awaited(connection: psycopg.Connection[Any]) -> Arrival | None:
    """Read the one that is about to come; None: none is."""
    return next((a for a in arrivals(connection) if a.arrived_at is None), None)


def begin(connection: psycopg.Connection[Any], facility: str, from_cell: str) -> Arrival:
    """Make room for a facility, or go on where a move of it was.

    :raises CellError: another one is about to come: one at a time does.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE cell_arrival IN SHARE ROW EXCLUSIVE MODE")
        before = awaited(connection)
        if before is not None and (before.facility, before.from_cell) != (facility, from_cell):
            raise CellError(
                f"facility {before.facility} is moving to this cell since"
                f" {before.begun_at:%Y-%m-%d %H:%M} UTC: finish that first, or end it with"
                f" `tonne cells cancel {before.facility}`"
            )
        if before is None:
            connection.execute(_BEGIN, (facility, from_cell))
            open_waiting(connection)
        begun = awaited(connection)
    assert begun is not None  # noqa: S101 - as written just before
    return begun


def give_up(connection: psycopg.Connection[Any], facility: str) -> None:
    """Await a facility no longer; what waits of another one waits on."""
    with connection.transaction():
        if connection.execute(_GIVEN_UP, (facility,)).rowcount:
            close_waiting(connection)


def note_verified(connection: psycopg.Connection[Any], arrival: Arrival, hours: int) -> None:
    """Keep how many hours were computed again."""
    connection.execute(
        "UPDATE cell_arrival SET verified_hours = %s WHERE id = %s", (hours, arrival.id)
    )


def stage(
    connection: psycopg.Connection[Any],
    arrival: Arrival,
    proof: Mapping[str, Seal],
    horizons: Mapping[int, int],
) -> None:
    """Say that all of it is here; durable when this returns.

    ``horizons``: up to which days the old cell packed each kind of history.
    """
    with connection.transaction():
        connection.execute(_STAGED, (Jsonb(as_proof(proof)), arrival.id))
        for kind, upto_day in horizons.items():
            connection.execute(_HORIZONS, (kind, upto_day))


def arrive(connection: psycopg.Connection[Any], arrival: Arrival, *, by: str) -> None:
    """Let the facility live here, as it was proved to be.

    :raises UnequalError: what waits is not what was proved; it waits on.
    """
    proof = of_proof(arrival.proof or {})
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (locks.REGISTRY,))
        put_in_place(connection, proof)
        close_waiting(connection)
        cell, present = identity.here(connection), numbers_of(connection, arrival.facility)
        assert cell is not None  # noqa: S101 - only cells have arrivals
        assert present is not None  # noqa: S101 - it was put in place just before
        numbers.count_beyond(connection, cell.number, present)
        connection.execute(_ARRIVED, (arrival.id,))
        record(
            connection,
            "facility.move",
            by=by,
            facility=arrival.facility,
            subject=arrival.from_cell,
            after={"rows": sum(seal.rows for seal in proof.values()), "left": False},
        )
        registry_changed(connection, arrival.facility)


def put_in_place(
    connection: psycopg.Connection[Any], proof: Mapping[str, Seal] | None = None
) -> None:
    """Insert what waits where it belongs.

    ``proof``: how many rows there are to be; None: nothing is proved yet.
    """
    # the id comes along
    connection.execute(_CLAIMS)
    for part in reversed(REGISTRY):
        came = connection.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
                part.place, part.names, part.names, part.waits_at
            )
        ).rowcount
        if proof is not None and came != proof[part.table].rows:
            raise UnequalError(
                f"{part.table}: {came} rows wait where {proof[part.table].rows} were copied"
            )
