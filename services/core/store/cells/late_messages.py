"""What comes to the old cell for a facility that left: it waits in quarantine, and is handed over.

An entry keeps its number, so that handing it over again is nothing: the new cell has it, or had it.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from services.core.store.cells import identity, numbers
from services.core.store.cells.departure import Departure
from services.core.store.readings.quarantine_reasons import Reason
from services.core.store.schema.tables import metadata

_TABLE: Final = "quarantine"

#: Why what comes while a facility moves, or when it has, is in quarantine.
REASONS: Final = (Reason.MOVED_FACILITY, Reason.REFUSED_BY_DATABASE)

#: Entries that are handed over at once.
_AT_ONCE: Final = 1000

_COLUMNS: Final = tuple(c.name for c in metadata.tables[_TABLE].columns if c.computed is None)

_NAMES: Final = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))

_SOME: Final = sql.SQL(
    "SELECT {} FROM quarantine WHERE facility = %s ORDER BY id LIMIT %s FOR UPDATE"
).format(_NAMES)

_TAKE: Final = sql.SQL(
    "INSERT INTO quarantine ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT (id) DO NOTHING"
).format(_NAMES, sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS)))

_WAITING: Final = """
SELECT count(*) FROM quarantine WHERE state = 'open' AND facility = %s AND reason = ANY(%s)
"""

_GONE: Final = "DELETE FROM quarantine WHERE id = ANY(%s)"


def hand_over(
    old: psycopg.Connection[Any], new: psycopg.Connection[Any], departure: Departure
) -> int:
    """Hand over all that waits; return how many entries of it are open, to be tried again.

    The new cell has them before the old one lets go: killed between, they are handed over twice.
    """
    opened = 0
    id_place, state_place = _COLUMNS.index("id"), _COLUMNS.index("state")
    while True:
        with old.transaction():
            rows = old.execute(_SOME, (departure.facility, _AT_ONCE)).fetchall()
            if not rows:
                return opened
            with new.transaction():
                rows_of = new.cursor()
                rows_of.executemany(_TAKE, [_adapted(row) for row in rows])
                _count_above(new, max(row[id_place] for row in rows))
            old.execute(_GONE, ([row[id_place] for row in rows],))
        opened += sum(row[state_place] == "open" for row in rows)


def waiting(connection: psycopg.Connection[Any], facility: str) -> int:
    """Count what was handed over and not tried yet, or was refused while the facility moved."""
    row = connection.execute(_WAITING, (facility, list(REASONS))).fetchone()
    return int(row[0]) if row else 0


def _adapted(row: tuple[Any, ...]) -> tuple[Any, ...]:
    # what JSONB was read as is written as JSON again
    return tuple(
        psycopg.types.json.Jsonb(value) if isinstance(value, dict) else value for value in row
    )


def _count_above(connection: psycopg.Connection[Any], highest: int) -> None:
    cell = identity.here(connection)
    counter = next(c for c in numbers.counters(connection) if c.table == _TABLE)
    if cell is not None:
        numbers.count_above(connection, counter, cell.number, highest)
