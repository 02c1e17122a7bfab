"""What the files of facilities state of removals and credits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.registry.stated_removals import StatedBalance, balance_of

_IN_FORCE = text(
    """
SELECT DISTINCT ON (f.slug) f.slug, r.known_at, r.spec
FROM facility f JOIN removal_revision r ON r.facility_id = f.id
WHERE f.slug = ANY(:facilities)
  AND (CAST(:as_of AS timestamptz) IS NULL OR r.known_at <= CAST(:as_of AS timestamptz))
ORDER BY f.slug, r.known_at DESC
"""
)


async def balances(
    connection: AsyncConnection, facilities: Sequence[str], as_of: datetime | None = None
) -> dict[str, StatedBalance]:
    """Read it of those that state something, by id; ``as_of``: as known then, None: now."""
    rows = await connection.execute(_IN_FORCE, {"facilities": list(facilities), "as_of": as_of})
    stated = {row.slug: balance_of(row.known_at, row.spec) for row in rows}
    return {slug: balance for slug, balance in stated.items() if balance is not None}


class KnownBalances:
    """What files state now, read again only where the registry changed."""

    def __init__(self) -> None:
        #: by facility, with the registry's revision
        self._known: dict[str, tuple[int, StatedBalance | None]] = {}

    async def read(
        self, connection: AsyncConnection, facility: str, *, revision: int
    ) -> StatedBalance | None:
        """Read it of a facility; None: it states nothing. ``revision``: read before."""
        known = self._known.get(facility)
        if known is None or known[0] != revision:
            stated = (await balances(connection, [facility])).get(facility)
            known = self._known[facility] = revision, stated
        return known[1]
