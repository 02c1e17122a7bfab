"""What processes want an operator to hear, as they say it in their progress."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from services.core.store.database.progress import RUNS

#: The broker does not bring a topic to ingest.
FILTER_REFUSED: Final = "filter-refused"

_NOTICES: Final = text(
    f"""
SELECT DISTINCT notice->>'detail'
FROM process_progress, jsonb_array_elements(state->'notices') AS notice
WHERE jsonb_typeof(state->'notices') = 'array' AND notice->>'code' = :code AND {RUNS}
ORDER BY 1 LIMIT 100
"""  # noqa: S608 - the condition of who runs
)


def notices(connection: Connection, code: str) -> list[str]:
    """Read the sentences under one code of the processes that run."""
    rows = connection.execute(_NOTICES, {"code": code})
    return [str(row[0]) for row in rows]
