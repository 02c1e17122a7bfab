"""What processes want an operator to hear, as they say it in their progress."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from services.core.store.database.progress import RUNS

#: So many of one kind are told at once.
MAX_NOTICES: Final = 100

#: Monitors that are looked at for deadlines and calibrations at once.
MAX_MONITORS: Final = 1000

#: The broker does not bring a topic to ingest.
FILTER_REFUSED: Final = "filter-refused"

_NOTICES: Final = text(
    f"""
SELECT DISTINCT notice->>'detail'
FROM process_progress, jsonb_array_elements(state->'notices') AS notice
WHERE jsonb_typeof(state->'notices') = 'array' AND notice->>'code' = :code AND {RUNS}
ORDER BY 1 LIMIT {MAX_NOTICES + 1}
"""  # noqa: S608 - the condition of who runs
)


def notices(connection: Connection, code: str) -> list[str]:
    """Read the sentences under one code of the processes that run; the last one tells of more."""
    rows = [str(row[0]) for row in connection.execute(_NOTICES, {"code": code})]
    return (
        rows
        if len(rows) <= MAX_NOTICES
        else [*rows[:MAX_NOTICES], f"and more than {MAX_NOTICES} in all"]
    )


def not_looked_at(monitors: int, subject: str) -> str:
    """Say how many monitors are beyond those whose ``subject`` is looked at."""
    return (
        f"the first {MAX_MONITORS} monitors are looked at for {subject} here, and {monitors} more"
        " are not; `tonne apply FILE` looks at those of its facility"
    )
