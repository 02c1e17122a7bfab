"""Reads whom facility files have notified, of alerts and of totals, and what may sign messages."""

from __future__ import annotations

from typing import Any

import psycopg

_READ = """
SELECT f.slug, coalesce(f.document->'notify', '[]'),
       ARRAY(SELECT g.name FROM facility_grant g WHERE g.facility_id = f.id AND g.kind = 'secret'),
       f.retired_at IS NOT NULL
FROM facility f ORDER BY f.slug
"""

_ANNOUNCED = """
SELECT f.slug, f.name, entry->>'prefix'
FROM facility f CROSS JOIN LATERAL (
    SELECT e FROM jsonb_array_elements(coalesce(f.document->'notify', '[]')) e
    WHERE e->'homeassistant' = 'true' LIMIT 1) x(entry)
WHERE f.retired_at IS NULL ORDER BY f.slug
"""


async def read(
    connection: psycopg.AsyncConnection[Any],
) -> list[tuple[str, list[dict[str, Any]], list[str], bool]]:
    """Read each facility's id, its entries of ``notify``, its secrets, and if it is retired."""
    return await (await connection.execute(_READ)).fetchall()


async def announced(
    connection: psycopg.AsyncConnection[Any],
) -> list[tuple[str, str, str | None]]:
    """Read the facilities whose totals Home Assistant gets: id, name, prefix of topics if stated.

    Retired ones are left out.
    """
    return await (await connection.execute(_ANNOUNCED)).fetchall()
