"""Which facilities live in a cell, and what is moving, for whoever answers over all cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncConnection

_RESIDENTS: Final[LiteralString] = """
SELECT (SELECT name FROM cell WHERE here) AS cell, ARRAY(SELECT slug FROM facility) AS slugs
"""

_LIVES: Final[LiteralString] = "SELECT count(*) FROM facility WHERE slug = ANY(%(slugs)s)"

_MOVES: Final[LiteralString] = """
SELECT (SELECT count(*) FROM cell_departure WHERE left_at IS NOT NULL) AS "left",
       (SELECT count(*) FROM cell_arrival WHERE arrived_at IS NOT NULL) AS arrived,
       ARRAY(SELECT facility FROM cell_departure
             WHERE left_at IS NOT NULL AND finished_at IS NULL) AS leaving,
       ARRAY(SELECT facility FROM cell_arrival
             WHERE staged_at IS NOT NULL AND arrived_at IS NULL) AS coming
"""


#: One that is under way to another cell is found where it left: it is in none for a moment.
_LIVING: Final[LiteralString] = """
SELECT slug FROM facility f WHERE slug = ANY(%(slugs)s) AND NOT EXISTS (
    SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
UNION
SELECT facility FROM cell_departure
WHERE facility = ANY(%(slugs)s) AND left_at IS NOT NULL AND finished_at IS NULL
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Residents:
    """The facilities of a database."""

    #: what it is called; None: it is no cell
    cell: str | None
    slugs: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moves:
    """What has moved out of and into a cell."""

    left: int
    arrived: int
    #: facilities that left, and whose old rows are still here
    leaving: frozenset[str]
    #: facilities that wait to arrive
    coming: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Journeys:
    """What has moved between the cells that answer."""

    by_cell: Mapping[str, Moves]

    @property
    def in_none(self) -> frozenset[str]:
        """Facilities that left one cell, and have not arrived in the other."""
        leaving = frozenset[str]().union(*(moves.leaving for moves in self.by_cell.values()))
        coming = frozenset[str]().union(*(moves.coming for moves in self.by_cell.values()))
        return leaving & coming

    @property
    def arrivals(self) -> int:
        """How many facilities have arrived anywhere."""
        return sum(moves.arrived for moves in self.by_cell.values())


def living(connection: psycopg.Connection[Any], slugs: Collection[str]) -> set[str]:
    """Read which of these facilities there are in a cell, without those that are purged."""
    return {slug for (slug,) in connection.execute(_LIVING, {"slugs": sorted(slugs)})}


async def residents(connection: AsyncConnection) -> Residents:
    """Read which facilities live in a cell, the retired ones too."""
    row = (await connection.exec_driver_sql(_RESIDENTS)).mappings().one()
    return Residents(cell=row["cell"], slugs=frozenset(row["slugs"]))


async def live_here(connection: AsyncConnection, slugs: frozenset[str]) -> bool:
    """Read whether all of these facilities live in a cell."""
    number = await connection.exec_driver_sql(_LIVES, {"slugs": list(slugs)})
    return int(number.scalar_one()) == len(slugs)


async def moves(connection: AsyncConnection) -> Moves:
    """Read what has moved; the same again means that nothing moved meanwhile."""
    row = (await connection.exec_driver_sql(_MOVES)).mappings().one()
    return Moves(
        left=row["left"],
        arrived=row["arrived"],
        leaving=frozenset(row["leaving"]),
        coming=frozenset(row["coming"]),
    )


async def cell_numbers(connection: AsyncConnection) -> dict[int, str]:
    """Read the names of the cells by what is left of their rows' numbers."""
    rows = await connection.exec_driver_sql("SELECT number, name FROM cell")
    return {row["number"]: row["name"] for row in rows.mappings()}
