"""Which factors and warming potentials the footprint of a product rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg

#: A facility's own versions of a factor hide the shared ones of its name, as when it is counted.
#: Footprints are location-based: no market-based factor is in their figures.
_FACTORS: Final = """
SELECT DISTINCT x.slug || ': ' || x.citation AS name,
       coalesce(x.data_year::text, x.valid_from::text, 'undated') AS version
FROM source s
JOIN factor x ON x.slug = s.spec ->> 'factor' AND x.known_to IS NULL AND (
    x.facility_id = s.facility_id OR x.facility_id IS NULL AND NOT EXISTS (
        SELECT FROM factor o
        WHERE o.facility_id = s.facility_id AND o.slug = x.slug AND o.known_to IS NULL))
WHERE s.id = ANY(%(sources)s)
  AND coalesce(x.valid_from <= %(last)s, true) AND coalesce(x.valid_to > %(first)s, true)
ORDER BY 1, 2
"""

_GWP: Final = """
SELECT DISTINCT coalesce(spec ->> 'gwp', 'AR6') FROM source
WHERE id = ANY(%(sources)s) AND method = 'activity' ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FootprintFactors:
    """Factors by name and version, and sets of warming potentials."""

    factors: tuple[tuple[str, str], ...]
    gwp: tuple[str, ...]


def footprint_factors(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], first: date, last: date
) -> FootprintFactors:
    """Read what sources are counted by from ``first`` to ``last``, as known now."""
    keys = {"sources": list(source_ids), "first": first, "last": last}
    return FootprintFactors(
        factors=tuple(connection.execute(_FACTORS, keys).fetchall()),
        gwp=tuple(row[0] for row in connection.execute(_GWP, keys)),
    )
