"""Which versions of factors the activities of some days count by: now, or as known then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

#: The configuration of the source ``s``: now, or as known then. The first one speaks for the time
#: before it, as in explanations.
SPEC_THEN: Final[LiteralString] = """
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(as_of)s::timestamptz IS NULL THEN s.spec ELSE coalesce((
        SELECT r.spec FROM source_revision r WHERE r.source_id = s.id
        ORDER BY (r.known_at <= %(as_of)s) DESC,
                 CASE WHEN r.known_at <= %(as_of)s THEN r.known_at END DESC, r.known_at
        LIMIT 1), s.spec) END AS spec) c
"""


def _in_force(version: LiteralString) -> LiteralString:
    return f"""
CASE WHEN %(as_of)s::timestamptz IS NULL THEN {version}.known_to IS NULL
     ELSE {version}.known_from <= %(as_of)s
          AND ({version}.known_to IS NULL OR {version}.known_to > %(as_of)s) END"""


# a facility's own versions of a factor hide the shared ones of its name, as when it is counted
_FACTORS: Final[LiteralString] = f"""
SELECT f.slug AS facility, x.slug AS id,
       string_agg(DISTINCT s.slug, ' ' ORDER BY s.slug) AS sources,
       x.unit, x.co2_kg, x.co2e_kg, x.co2_biogenic_kg AS biogenic_kg, x.uncertainty_percent,
       x.heat_content_mj, x.heat_content_unit, x.valid_from, x.valid_to, x.known_from, x.data_year,
       x.release, x.citation
FROM source s JOIN facility f ON f.id = s.facility_id {SPEC_THEN}
CROSS JOIN LATERAL (VALUES (c.spec ->> 'factor'), (c.spec ->> 'market_factor')) n(name)
JOIN factor x ON x.slug = n.name AND {_in_force("x")} AND (
    x.facility_id = s.facility_id OR x.facility_id IS NULL AND NOT EXISTS (
        SELECT FROM factor o
        WHERE o.facility_id = s.facility_id AND o.slug = n.name AND {_in_force("o")}))
WHERE s.id = ANY(%(sources)s) AND s.method = 'activity'
  AND coalesce(x.valid_from < %(end_day)s, true) AND coalesce(x.valid_to > %(first_day)s, true)
GROUP BY f.slug, x.id ORDER BY f.slug, x.slug, x.valid_from NULLS FIRST, x.id
"""  # noqa: S608 - constants


def counted_factors(
    connection: psycopg.Connection[Any],
    source_ids: Sequence[int],
    first_day: date,
    end_day: date,
    as_of: datetime | None = None,
) -> list[dict[str, Any]]:
    """Read the versions that hold on a day before ``end_day``, by facility, name and validity.

    Each is per ``unit`` of activity; ``co2e_kg`` as published, None: it follows from the gases.
    ``as_of``: as known then; None: now.
    """
    asked = {
        "sources": list(source_ids),
        "first_day": first_day,
        "end_day": end_day,
        "as_of": as_of,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_FACTORS, asked).fetchall()
