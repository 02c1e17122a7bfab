"""Reads whom facility files have notified, and which secrets may sign the messages."""

from __future__ import annotations

from typing import Any

import psycopg

_READ = """
SELECT f.slug, coalesce(f.document->'notify', '[]'),
       ARRAY(SELECT g.name FROM facility_grant g WHERE g.facility_id = f.id AND g.kind = 'secret'),
       f.retired_at IS NOT NULL
FROM facility f ORDER BY f.slug
"""


async def read(
    connection: psycopg.AsyncConnection[Any],
) -> list[tuple[str, list[dict[str, Any]], list[str], bool]]:
    """Read each facility's id, its entries of ``notify``, its secrets, and if it is retired."""
    return await (await connection.execute(_READ)).fetchall()
