"""What processes want an operator to hear, as they say it in their progress."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from services.core.runtime.progress import STALE_AFTER_S

#: The broker does not bring a topic to ingest.
FILTER_REFUSED: Final = "filter-refused"

_TOLD: Final = text(
    "SELECT DISTINCT notice->>'detail'"
    " FROM process_progress, jsonb_array_elements(state->'notices') AS notice"
    " WHERE jsonb_typeof(state->'notices') = 'array' AND notice->>'code' = :code"
    " AND abs(extract(epoch FROM now() - progressed_at)) < :stale_after_s ORDER BY 1 LIMIT 100"
)


def told(connection: Connection, code: str) -> list[str]:
    """The sentences under one code of the processes that run."""
    rows = connection.execute(_TOLD, {"code": code, "stale_after_s": STALE_AFTER_S})
    return [str(row[0]) for row in rows]
