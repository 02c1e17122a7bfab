"""Amounts of bills and the like, as they were given, with what was withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.readings.activities import LISTED, ListedEntry

_ACTIVITIES: Final = text(
    LISTED
    + """
WHERE e.facility_id = :facility
  AND (CAST(:channels AS text[]) IS NULL OR d.slug || '.' || c.slug = ANY(:channels))
  AND (CAST(:begins AS date) IS NULL OR e.end_day > :begins)
  AND (CAST(:ends AS date) IS NULL OR e.first_day < :ends)
  AND (CAST(:is_withdrawn AS boolean) IS NULL OR (w.id IS NOT NULL) = :is_withdrawn)
  AND (CAST(:after_day AS date) IS NULL OR (e.first_day, e.id) > (:after_day, :after_id))
ORDER BY e.first_day, e.id LIMIT :limit
"""
)


class Place(NamedTuple):
    """Where a page of activities ended: the first day as a number, and the id."""

    day: int
    id: str


async def activities(
    connection: AsyncConnection,
    facility_id: int,
    *,
    channels: Sequence[str],
    begins: date | None,
    ends: date | None,
    is_withdrawn: bool | None,
    after: Place | None,
    limit: int,
) -> list[ListedEntry]:
    """Read activities of a facility by day and id, those that share a day with a span.

    ``channels``: none: of all; ``ends``: exclusive; ``is_withdrawn``: None: all.
    """
    rows = await connection.execute(
        _ACTIVITIES,
        {
            "facility": facility_id,
            "channels": list(channels) or None,
            "begins": begins,
            "ends": ends,
            "is_withdrawn": is_withdrawn,
            "after_day": None if after is None else date.fromordinal(after.day),
            "after_id": "" if after is None else after.id,
            "limit": limit,
        },
    )
    return [ListedEntry(**row) for row in rows.mappings()]
