"""Which cell a database is, and how one more is added to those that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from services.core.runtime.cell_urls import HOME
from services.core.store.cells import directory, numbers, shared_factors
from services.core.store.cells.errors import CellError
from services.core.store.schema.cell_tables import STEP, TRIGGERS_OF_CELLS

#: Whoever adds a cell to a database.
_LOCK: Final = "LOCK TABLE cell IN SHARE ROW EXCLUSIVE MODE"

_CELLS: Final = "SELECT number, name, here FROM cell ORDER BY number"

_ADD: Final = "INSERT INTO cell (number, name, here) VALUES (%s, %s, %s)"

_IS_USED: Final = """
SELECT EXISTS (SELECT FROM facility) OR EXISTS (SELECT FROM facility_purge)
       OR EXISTS (SELECT FROM quarantine) OR EXISTS (SELECT FROM factor WHERE facility_id IS NULL)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One database that facilities live in, as it or another one knows it."""

    number: int
    name: str
    #: it is the database that was asked
    here: bool


def cells(connection: psycopg.Connection[Any]) -> list[Cell]:
    """Read the cells that a database knows, itself among them; none: it is alone."""
    with connection.cursor(row_factory=class_row(Cell)) as cursor:
        return cursor.execute(_CELLS).fetchall()


def here(connection: psycopg.Connection[Any]) -> Cell | None:
    """Read which cell a database is; None: it is alone, or not added yet."""
    return next((cell for cell in cells(connection) if cell.here), None)


def check(name: str, connection: psycopg.Connection[Any]) -> None:
    """See that a database is the cell that it is taken for.

    :raises CellError: it is another one, or none.
    """
    cell = here(connection)
    if cell is None:
        missing = "NAME" if name == HOME else name
        raise CellError(
            f"the database of cell {name} is no cell yet: run `tonne cells add {missing}`"
        )
    if cell.name != name:
        raise CellError(
            f"the database that TONNE_CELLS calls {name} is cell {cell.name}: correct TONNE_CELLS"
        )


def add(home: psycopg.Connection[Any], other: psycopg.Connection[Any], name: str) -> Cell:
    """Make an empty database a cell beside those that there are; adding it again changes nothing.

    Each of both is changed in a transaction of its own, home first: a cell whose number is given
    away, but which does not know it, is added by doing this again.

    :raises CellError: the database has been used, or is another cell already.
    """
    cell = _given_number(home, name)
    with other.transaction():
        other.execute(_LOCK)
        present = here(other)
        if present is None:
            row = other.execute(_IS_USED).fetchone()
            if row is None or row[0]:
                raise CellError(
                    f"the database of cell {name} has been used: a cell begins empty, right after"
                    " `tonne migrate`, so that its numbers are its own"
                )
            with home.transaction():
                numbers.apart(other, cell.number, above=numbers.counters(home))
                shared_factors.copy_all(home, other)
            other.execute(_ADD, (cell.number, name, True))
            _guard(other)
        elif (present.number, present.name) != (cell.number, name):
            raise CellError(
                f"the database of cell {name} is cell {present.name} already: correct TONNE_CELLS"
            )
    for where, connection in ((HOME, home), (name, other)):
        for slug in known_slugs(connection):
            directory.note(home, slug, where)
            directory.note(connection, slug, where)
    return cell


def _given_number(home: psycopg.Connection[Any], name: str) -> Cell:
    with home.transaction():
        home.execute(_LOCK)
        known = {cell.name: cell for cell in cells(home)}
        at_home = next((cell for cell in known.values() if cell.here), None)
        if at_home is None:
            numbers.apart(home, 0, above={})
            home.execute(_ADD, (0, HOME, True))
            _guard(home)
        elif at_home.name != HOME:
            raise CellError(
                f"the database of TONNE_DATABASE_URL is cell {at_home.name}; cells are added to"
                f" {HOME}"
            )
        if name in known:
            return known[name]
        number = max((cell.number for cell in known.values()), default=0) + 1
        if number >= STEP:
            raise CellError(f"there are {STEP} cells, and no numbers for one more")
        home.execute(_ADD, (number, name, False))
        return Cell(number=number, name=name, here=False)


def _guard(connection: psycopg.Connection[Any]) -> None:
    for statement in TRIGGERS_OF_CELLS:
        connection.execute(sql.SQL(statement))


def known_slugs(connection: psycopg.Connection[Any]) -> list[str]:
    """Read the facilities that live in a cell, the retired ones too."""
    return [slug for (slug,) in connection.execute("SELECT slug FROM facility ORDER BY slug")]


def whereabouts(connections: Mapping[str, psycopg.Connection[Any]], facility: str) -> list[str]:
    """Return the cells that have a facility's registry: one, or none while it moves."""
    statement = "SELECT EXISTS (SELECT FROM facility WHERE slug = %s)"
    return [
        name
        for name, connection in connections.items()
        if (row := connection.execute(statement, (facility,)).fetchone()) and row[0]
    ]
