"""Rows of a query to another PostgreSQL or TimescaleDB, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import psycopg

from services.core.store.foreign.rows import ForeignDatabaseError, ForeignRows

#: Rows that are fetched at once.
_ROWS: Final = 5000

_CONNECT_TIMEOUT_S: Final = 10


def rows(url: str, query: str) -> Iterator[ForeignRows]:
    """Yield the rows of ``query``, which may change nothing; the first piece has none.

    ``url``: ``postgresql://...``; a password is better told by ``PGPASSWORD`` or ``PGPASSFILE``.

    :raises ForeignDatabaseError: the database is away, or refuses the query.
    """
    try:
        with psycopg.connect(
            url, connect_timeout=_CONNECT_TIMEOUT_S, application_name="tonne-backfill"
        ) as connection:
            connection.read_only = True
            with connection.cursor(name="tonne_backfill") as cursor:
                # somebody's own query, of their own database
                cursor.execute(query.encode())
                names = [column.name for column in cursor.description or ()]
                yield ForeignRows(names=names, rows=[])
                while piece := cursor.fetchmany(_ROWS):
                    yield ForeignRows(names=names, rows=[list(map(_plain, row)) for row in piece])
    except psycopg.Error as error:
        # the first line: more would quote the connection
        reason = str(error).strip().partition("\n")[0]
        raise ForeignDatabaseError(f"the database of history: {reason}") from None


def _plain(value: Any) -> Any:
    """Return a value as a table has it: NUMERIC is a number."""
    return float(value) if type(value).__name__ == "Decimal" else value
