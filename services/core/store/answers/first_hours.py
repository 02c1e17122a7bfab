"""Since when anything is known of facilities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

_FIRST_HOURS: Final = """
SELECT s.facility_id, min(h.hour) FROM source s
CROSS JOIN LATERAL (
    (SELECT hour FROM emission_hour WHERE source_id = s.id ORDER BY hour LIMIT 1)
    UNION ALL
    (SELECT first_hour FROM packed_hours WHERE source_id = s.id ORDER BY month LIMIT 1)) h
WHERE s.facility_id = ANY(%(facilities)s) AND s.scope > 0 GROUP BY 1
"""


def first_hours(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int]
) -> dict[int, datetime]:
    """Read the first hour of each facility whose emissions were ever known."""
    return dict(connection.execute(_FIRST_HOURS, {"facilities": list(facility_ids)}).fetchall())
