"""Reads what of the registry contradicts itself: what is said to be retired, deleted, or nobody's.

The hours of such a source are left out of a check, so that saying so must not be enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

_PURGES = """
SELECT p.facility, '' AS source,
       'its purge was begun at ' || to_char(p.begun_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
       || ' UTC and is not finished: none of it is checked; `tonne remove ' || p.facility
       || ' --purge` finishes it' AS detail
FROM facility_purge p
WHERE p.finished_at IS NULL AND (%(facilities)s::text[] IS NULL OR p.facility = ANY(%(facilities)s))
ORDER BY 1
"""

# A facility is retired with its sources, in one transaction; else the file says what is in force.
_RETIREMENTS = """
WITH f AS (
    SELECT f.id, f.slug, f.document, f.retired_at, r.retired_at AS recorded_at
    FROM facility f
    LEFT JOIN facility_retirement r ON r.facility_id = f.id AND r.returned_at IS NULL
    WHERE %(facilities)s::text[] IS NULL OR f.slug = ANY(%(facilities)s)
), s AS (
    SELECT f.slug AS facility, s.slug AS source, s.active, s.retired_at,
           f.retired_at AS facility_retired_at,
           EXISTS (SELECT FROM jsonb_array_elements(f.document -> 'sources') d
                   WHERE d ->> 'id' = s.slug)
           OR EXISTS (SELECT FROM jsonb_path_query(f.document, '$.products[*].production[*]') p
                      WHERE p #>> '{}' = s.slug)
           OR EXISTS (SELECT FROM jsonb_path_query(
                          f.document, '$.products[*].precursors[*].consumption') p
                      WHERE p #>> '{}' = s.slug)
           OR EXISTS (SELECT FROM jsonb_path_query(
                          f.document, '$.products[*].cbam.deductions[*].channel') p
                      WHERE p #>> '{}' = s.slug)
           OR EXISTS (SELECT FROM jsonb_path_query(
                          f.document, '$.electricity.contracts[*].channel') p
                      WHERE p #>> '{}' = s.slug)
           OR EXISTS (SELECT FROM jsonb_path_query(f.document, '$.electricity.storage[*].*') p
                      WHERE p #>> '{}' = s.slug) AS is_named
    FROM f JOIN source s ON s.facility_id = f.id
)
SELECT slug AS facility, '' AS source,
       'that the facility is retired, and the record of its retirements, disagree' AS detail
FROM f WHERE retired_at IS DISTINCT FROM recorded_at
UNION ALL
SELECT facility, source, CASE
    WHEN active THEN 'it is in force, and the facility file does not name it, or its facility is'
                     ' retired'
    WHEN retired_at IS NULL THEN 'it is said to be retired, but not since when'
    ELSE 'it is said to be retired, and the facility file names it' END
FROM s
WHERE active AND (NOT is_named OR facility_retired_at IS NOT NULL)
   OR NOT active AND (
       retired_at IS NULL
       OR is_named AND retired_at IS DISTINCT FROM facility_retired_at)
ORDER BY 1, 2
"""

# What is computed of a source has its row for as long as there is any of it.
_ORPHANS: LiteralString = """
SELECT '' AS facility, '' AS source,
       'there are ' || sum(number) || ' hours of source ' || source_id || ', which is not there'
       AS detail
FROM (SELECT source_id, 1 AS number FROM public.emission_hour
      UNION ALL SELECT source_id, 1 FROM public.emission_hour_history
      UNION ALL SELECT source_id, hours + versions FROM packed_hours) h
WHERE NOT EXISTS (SELECT FROM source s WHERE s.id = h.source_id)
GROUP BY source_id ORDER BY source_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contradiction:
    """What does not hold, and of which facility and source; empty: of no single one."""

    facility: str
    source: str
    detail: str


def unfinished_purges(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[Contradiction]:
    """Read the facilities, None: of all, that are being deleted."""
    return _read(connection, _PURGES, facilities)


def wrong_retirements(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[Contradiction]:
    """Read what is said to be retired, or to be in force, though the facility file says else."""
    return _read(connection, _RETIREMENTS, facilities)


def nobodys_hours(connection: psycopg.Connection[Any]) -> list[Contradiction]:
    """Read hours of sources that are not there."""
    return _read(connection, _ORPHANS, None)


def _read(
    connection: psycopg.Connection[Any], sql: LiteralString, facilities: Sequence[str] | None
) -> list[Contradiction]:
    wanted = None if facilities is None else list(facilities)
    with connection.cursor(row_factory=class_row(Contradiction)) as cursor:
        return cursor.execute(sql, {"facilities": wanted}).fetchall()
