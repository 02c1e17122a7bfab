"""History whose facility lives in another cell: deleted in pieces, when it was compared once more.

It is in the old cell after a move, and in the new one after a move that was ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

from services.core.store.cells.equality import Seal, seals, total
from services.core.store.cells.errors import UnequalError
from services.core.store.cells.parts import HISTORY, Numbers, Part
from services.core.store.schema.tables import metadata

#: Rows that one piece deletes: a fraction of a second's work.
_MAX_ROWS: Final = 20_000

#: Hours do not change by it, so that nobody looks for their sums.
_AS_THEY_ARE: Final = "SELECT set_config('tonne.moving_hours', 'on', true)"

_CHUNKS: Final = """
SELECT chunk_schema, chunk_name FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = %s ORDER BY range_start
"""

_SOME: Final = sql.SQL(
    "DELETE FROM {0} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {0} WHERE {1} LIMIT {2}))"
)


def compare(
    connection: psycopg.Connection[Any], numbers: Numbers, proof: Mapping[str, Seal]
) -> None:
    """See that nothing is about to be deleted that did not move.

    What a killed clearing has deleted already is missing, which is no difference.

    :raises UnequalError: somebody wrote rows of the facility after it had left.
    """
    for part in HISTORY:
        present = total(seals(connection, part, numbers, "lives"))
        if present.rows and present.rows == proof[part.table].rows and present != proof[part.table]:
            raise UnequalError(
                f"{part.table}: rows of the facility are not those that moved; look at them before"
                " anything is deleted"
            )
        if present.rows > proof[part.table].rows:
            raise UnequalError(
                f"{part.table}: {present.rows} rows of the facility are here where"
                f" {proof[part.table].rows} moved; look at them before anything is deleted"
            )


def clear(
    connection: psycopg.Connection[Any],
    numbers: Numbers,
    *,
    rest: Callable[[float], None] = time.sleep,
) -> int:
    """Delete the facility's history; return how many rows of it there were.

    Durable piece by piece. ``rest`` is given the seconds that a piece took, so that at most half of
    the time is taken from others.
    """
    return sum(
        _clear(connection, part, place, numbers, rest)
        for part in HISTORY
        for place in _places(connection, part)
    )


def _places(connection: psycopg.Connection[Any], part: Part) -> list[sql.Identifier]:
    """Return where a table's rows are: a row's place is its own within a chunk only."""
    if "hypertable" not in metadata.tables[part.table].info:
        return [part.place]
    return [sql.Identifier(*row) for row in connection.execute(_CHUNKS, (part.table,)).fetchall()]


def _clear(
    connection: psycopg.Connection[Any],
    part: Part,
    place: sql.Identifier,
    numbers: Numbers,
    rest: Callable[[float], None],
) -> int:
    statement = _SOME.format(place, sql.SQL(part.condition), sql.Literal(_MAX_ROWS))
    gone = 0
    while True:
        began = time.monotonic()
        with connection.transaction():
            connection.execute(_AS_THEY_ARE)
            rows = connection.execute(statement, numbers).rowcount
        gone += rows
        if rows < _MAX_ROWS:
            return gone
        rest(time.monotonic() - began)
