"""Whether this server can read every chunk of the database.

TimescaleDB's Apache edition reads a chunk that its Community edition has compressed as if what is
compressed were not there, without an error (timescaledb #7787, mended upstream by #9623): totals
would be too small and nothing would say so. tonne itself compresses no chunk.
"""

from __future__ import annotations

from typing import Any

import psycopg

# Asked on each connection: planning it takes a twentieth of what the documented view
# timescaledb_information.chunks takes. The first bit of the status says that a chunk is compressed;
# the licence is compared before any chunk is looked at.
_UNREADABLE = """
SELECT count(*), string_agg(DISTINCT h.table_name, ', ' ORDER BY h.table_name)
FROM _timescaledb_catalog.chunk c JOIN _timescaledb_catalog.hypertable h ON h.id = c.hypertable_id
WHERE c.status & 1 = 1 AND current_setting('timescaledb.license') = 'apache'
"""


def objection(connection: psycopg.Connection[Any]) -> str | None:
    """Return what cannot be read and what to do; None: all can be. The extension is there."""
    return _sentence(connection.execute(_UNREADABLE).fetchone())


async def objection_async(connection: psycopg.AsyncConnection[Any]) -> str | None:
    """Do as :func:`objection` does."""
    return _sentence(await (await connection.execute(_UNREADABLE)).fetchone())


def _sentence(row: tuple[Any, ...] | None) -> str | None:
    if row is None or not row[0]:
        return None
    chunks, tables = row
    return (
        f"the database has compressed chunks ({chunks} of {tables}) that the Apache edition of"
        " TimescaleDB reads as empty; start its Community edition on this server"
        " (timescaledb.license = 'timescale') and decompress them there (`decompress_chunk` for"
        " each of `show_chunks` of a table), then this edition can be used again"
    )
