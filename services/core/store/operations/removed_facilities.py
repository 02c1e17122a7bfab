"""Which facilities are retired, and which were deleted for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

_REMOVED: Final = text(
    """
SELECT f.slug AS facility, f.name, 'retired' AS state, r.retired_at AS since, r.retired_by AS by,
       r.reason, NULL::int8 AS rows
FROM facility f JOIN facility_retirement r ON r.facility_id = f.id AND r.returned_at IS NULL
UNION ALL
SELECT p.facility, p.name, CASE WHEN p.finished_at IS NULL THEN 'being purged' ELSE 'purged' END,
       coalesce(p.finished_at, p.begun_at), p.begun_by, p.reason,
       (SELECT CAST(coalesce(sum(CAST(value AS int8)), 0) AS int8)
        FROM jsonb_each_text(p.removed))
FROM facility_purge p
ORDER BY 1, 4
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RemovedFacility:
    """A facility that is no longer in force."""

    facility: str
    name: str
    #: retired, being purged or purged
    state: str
    since: datetime
    by: str
    reason: str | None
    #: deleted so far; None: it was not purged
    rows: int | None


def removed_facilities(connection: Connection) -> list[RemovedFacility]:
    """Read them by id; one that is being purged is both."""
    return [RemovedFacility(**row) for row in connection.execute(_REMOVED).mappings()]
