"""Whether ingest hears what the registry says, up to which of its revisions."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select, text

from services.core.store.database.progress import RUNS
from services.core.store.schema import tables as t

#: In what ingest says of itself: the registry's revision whose topics the broker brings it.
HEARD_REVISION: Final = "heard_revision"

_BEHIND: Final = text(
    f"""
SELECT count(*) FROM process_progress
WHERE process = 'ingest' AND {RUNS} AND jsonb_typeof(state->'{HEARD_REVISION}') = 'number'
  AND (state->>'{HEARD_REVISION}')::bigint < :revision
"""  # noqa: S608 - the condition of who runs, and a constant
)


def revision(connection: Connection) -> int:
    """Read the registry's present revision."""
    return int(connection.scalar(select(t.registry_revision.c.revision)) or 0)


def processes_behind(connection: Connection, heard: int) -> int:
    """Count the ingests that run and do not hear all topics of a revision yet."""
    return int(connection.scalar(_BEHIND, {"revision": heard}) or 0)
