"""The versions of the factors that a facility's sources count by: now, or as known then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.factor_calendar import FactorAge

#: What sentences call a source's factors, in the order in which it names them.
_CALLED = ("factor", "market factor")

_VERSIONS = text(
    """
SELECT f.slug AS facility, x.slug, x.facility_id IS NOT NULL AS own, x.valid_from, x.valid_to,
       x.uncertainty_percent, x.data_year, x.successor_expected, x.fallback IS NOT NULL AS is_series
FROM factor x JOIN facility f ON f.slug = ANY(:facilities)
WHERE x.slug = ANY(:slugs) AND (x.facility_id = f.id OR x.facility_id IS NULL)
  AND CASE WHEN CAST(:as_of AS timestamptz) IS NULL THEN x.known_to IS NULL
      ELSE x.known_from <= :as_of AND (x.known_to IS NULL OR x.known_to > :as_of) END
"""
)

# the first configuration speaks for the time before it, as in explanations
_NAMES_THEN = text(
    """
SELECT f.slug AS facility, s.slug, r.spec ->> 'factor' AS factor,
       r.spec ->> 'market_factor' AS market_factor
FROM facility f
JOIN source s ON s.facility_id = f.id AND s.method = 'activity'
CROSS JOIN LATERAL (
    SELECT r.spec FROM source_revision r WHERE r.source_id = s.id
    ORDER BY (r.known_at <= :as_of) DESC,
             CASE WHEN r.known_at <= :as_of THEN r.known_at END DESC, r.known_at
    LIMIT 1) r
WHERE f.slug = ANY(:facilities)
"""
)


async def versions(
    connection: AsyncConnection,
    facilities: Collection[str],
    slugs: Collection[str],
    as_of: datetime | None = None,
) -> dict[str, dict[str, list[Any]]]:
    """Read the versions of factors by facility and name, own and shared ones.

    ``as_of``: as known then.
    """
    rows = await connection.execute(
        _VERSIONS, {"facilities": list(facilities), "slugs": sorted(slugs), "as_of": as_of}
    )
    by_facility: dict[str, dict[str, list[Any]]] = {slug: {} for slug in facilities}
    for row in rows:
        by_facility[row.facility].setdefault(row.slug, []).append(row)
    return by_facility


def counting(rows: Sequence[Any]) -> list[Any]:
    """Return the versions that count: a facility's own hide the built-in ones of the same name."""
    return [row for row in rows if row.own or not any(version.own for version in rows)]


def ages(names: Sequence[str], by_name: Mapping[str, Sequence[Any]]) -> tuple[FactorAge, ...]:
    """Return how old the factors of one source are, in the order in which it names them."""
    of_source = []
    for called, name in zip(_CALLED, names, strict=False):
        rows = by_name.get(name, ())
        newest = max((row.data_year or 0 for row in rows if not row.own), default=None)
        holding = next((row for row in counting(rows) if row.valid_to is None), None)
        if holding is not None:
            of_source.append(
                FactorAge(
                    data_year=holding.data_year,
                    newest_year=newest,
                    successor_expected=holding.successor_expected,
                    valid_from=holding.valid_from,
                    called=called,
                )
            )
    return tuple(of_source)


async def ages_then(
    connection: AsyncConnection, facilities: Collection[str], as_of: datetime
) -> dict[str, dict[str, tuple[FactorAge, ...]]]:
    """Read how old factors were by what was known at ``as_of``, by facility and source."""
    key = {"facilities": list(facilities), "as_of": as_of}
    rows = (await connection.execute(_NAMES_THEN, key)).all()
    names = {
        (row.facility, row.slug): [n for n in (row.factor, row.market_factor) if n is not None]
        for row in rows
    }
    by_name = await versions(
        connection, facilities, {name for named in names.values() for name in named}, as_of
    )
    then: dict[str, dict[str, tuple[FactorAge, ...]]] = {facility: {} for facility in facilities}
    for (facility, source), named in names.items():
        then[facility][source] = ages(named, by_name[facility])
    return then
