"""The record of corrections: which reading took the place of which, by whom or by what rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_CORRECTIONS: Final = text(
    """
SELECT id, channel_id, ts, old_value, old_quality, new_value, new_quality, corrected_at,
       corrected_by, note, quarantine_id, by_person
FROM reading_correction
WHERE channel_id = ANY(:channels) AND ts >= :begins AND ts < :ends
  AND (CAST(:after_ts AS timestamptz) IS NULL OR (ts, id) > (:after_ts, :after_id))
ORDER BY ts, id LIMIT :limit
"""
)


class Place(NamedTuple):
    """Where a page of corrections ended."""

    ts: datetime
    id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """One reading that took the place of another; values as they are stored."""

    id: int
    channel_id: int
    ts: datetime
    old_value: float | None
    #: None: there was no reading
    old_quality: int | None
    new_value: float | None
    new_quality: int
    corrected_at: datetime
    corrected_by: str
    note: str | None
    quarantine_id: int | None
    by_person: bool


async def corrections(
    connection: AsyncConnection,
    channels: Sequence[int],
    *,
    begins: datetime,
    ends: datetime,
    after: Place | None,
    limit: int,
) -> list[Correction]:
    """Read the corrections of readings of a span, its end exclusive, in order."""
    if not channels:
        return []
    ts, id_ = after or (None, 0)
    rows = await connection.execute(
        _CORRECTIONS,
        {
            "channels": list(channels),
            "begins": begins,
            "ends": ends,
            "after_ts": ts,
            "after_id": id_,
            "limit": limit,
        },
    )
    return [Correction(**row) for row in rows.mappings()]
