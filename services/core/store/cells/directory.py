"""Which cell each facility is for, as the home cell knows it: no two cells give the same id.

Where a facility lives, its registry says. This says where its id may be used, before it lives
anywhere, and what a cell has that does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg

from services.core.store.cells.errors import CellError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: A claim that nobody used goes to the next one after this.
_CLAIM: Final = """
INSERT INTO cell_facility (slug, cell) VALUES (%(slug)s, %(cell)s)
ON CONFLICT (slug) DO UPDATE SET cell = excluded.cell, claimed_at = now()
WHERE cell_facility.claimed_at < now() - interval '1 hour' AND %(is_nowhere)s
"""
_OWNER: Final = "SELECT cell FROM cell_facility WHERE slug = %s"
_NOTE: Final = """
INSERT INTO cell_facility (slug, cell) VALUES (%s, %s)
ON CONFLICT (slug) DO UPDATE SET cell = excluded.cell WHERE cell_facility.cell <> excluded.cell
"""
_LISTED: Final[LiteralString] = "SELECT slug, cell FROM cell_facility"


def claim(home: psycopg.Connection[Any], slug: str, cell: str, *, is_nowhere: bool) -> None:
    """Give an id to a cell, at home; the cell has to :func:`note` it, too.

    ``is_nowhere``: no cell has such a facility, so that an old claim may be given to another.

    :raises CellError: it is another cell's.
    """
    home.execute(_CLAIM, {"slug": slug, "cell": cell, "is_nowhere": is_nowhere})
    row = home.execute(_OWNER, (slug,)).fetchone()
    if row is None or row[0] != cell:
        other = "another cell" if row is None else f"cell {row[0]}"
        raise CellError(f"the id {slug} is of {other}: give the new facility another id")


def note(connection: psycopg.Connection[Any], slug: str, cell: str) -> None:
    """Write which cell a facility is for."""
    connection.execute(_NOTE, (slug, cell))


async def listed(connection: AsyncConnection) -> dict[str, str]:
    """Read, at home, which cell each facility is for."""
    rows = await connection.exec_driver_sql(_LISTED)
    return {row["slug"]: row["cell"] for row in rows.mappings()}
