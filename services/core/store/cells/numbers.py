"""Numbers of rows that no other cell gives: each counts in steps, with a remainder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from services.core.store.cells.parts import PARTS, Numbers
from services.core.store.schema.cell_tables import STEP

_COUNTERS: Final = """
SELECT c.relname, a.attname, pg_get_serial_sequence(format('public.%I', c.relname), a.attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attidentity <> ''
ORDER BY 1
"""


class Counter(NamedTuple):
    """What numbers the rows of a table."""

    table: str
    column: str
    sequence: LiteralString


def counters(connection: psycopg.Connection[Any]) -> dict[Counter, int]:
    """Read the highest number that each table has given."""
    return {counter: _given(connection, counter) for counter in _counters(connection)}


def _counters(connection: psycopg.Connection[Any]) -> list[Counter]:
    return [Counter(*row) for row in connection.execute(_COUNTERS)]


def _given(connection: psycopg.Connection[Any], counter: Counter) -> int:
    row = connection.execute(
        sql.SQL("SELECT last_value - (NOT is_called)::int FROM {}").format(_sequence(counter))
    ).fetchone()
    assert row is not None  # noqa: S101 - a counter is a row
    return int(row[0])


def apart(
    connection: psycopg.Connection[Any], number: int, *, above: Mapping[Counter, int]
) -> None:
    """Let every table count on in steps, by the remainder that the cell's ``number`` is.

    ``above``: what another database has given, so that nothing of it is given here again.
    """
    for counter in _counters(connection):
        # whoever counts waits from here on
        connection.execute(
            sql.SQL("ALTER SEQUENCE {} INCREMENT BY {}").format(
                _sequence(counter), sql.Literal(STEP)
            )
        )
        given = max(_given(connection, counter), above.get(counter, 0))
        _count_on(connection, counter, number, given)


def count_beyond(connection: psycopg.Connection[Any], number: int, numbers: Numbers) -> None:
    """Let tables count on above the rows of a facility that came: these have other cells' numbers.

    What is newer is to have greater numbers, as ever.
    """
    conditions = {part.table: part.condition for part in PARTS}
    for counter in _counters(connection):
        if counter.table not in conditions:
            continue
        statement = sql.SQL("SELECT coalesce(max({}), 0) FROM {} WHERE {}").format(
            sql.Identifier(counter.column),
            sql.Identifier("public", counter.table),
            sql.SQL(conditions[counter.table]),
        )
        row = connection.execute(statement, numbers).fetchone()
        count_above(connection, counter, number, 0 if row is None else int(row[0]))


def count_above(
    connection: psycopg.Connection[Any], counter: Counter, number: int, highest: int
) -> None:
    """Let one table count on above a number that came."""
    if highest > _given(connection, counter):
        _count_on(connection, counter, number, highest)


def _count_on(
    connection: psycopg.Connection[Any], counter: Counter, number: int, given: int
) -> None:
    next_number = given + 1 + (number - given - 1) % STEP
    connection.execute("SELECT setval(%s::regclass, %s, false)", (counter.sequence, next_number))


def _sequence(counter: Counter) -> sql.SQL:
    # a name of the catalogue, quoted where that is needed
    return sql.SQL(counter.sequence)
