"""Whether ingest hears what the registry says, up to which of its revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select, text

from services.core.facility.model import FacilityFile
from services.core.store.database.progress import RUNS
from services.core.store.schema import tables as t

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: In what ingest says of itself: the registry's revision whose topics the broker brings it.
HEARD_REVISION: Final = "heard_revision"

#: How long whoever applies a file waits for ingest, which looks at the registry every second and
#: says so within another; and how often it looks.
LONGEST_WAIT_S: Final = 10.0
LOOK_EVERY_S: Final = 0.1

NOT_HEARD: Final = (
    "ingest does not hear the new topics yet: what devices publish there before it does is lost;"
    " applying the same file again shows what the broker refuses"
)

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


async def processes_behind_async(connection: AsyncConnection, heard: int) -> int:
    """Count them as :func:`processes_behind` does."""
    return int(await connection.scalar(_BEHIND, {"revision": heard}) or 0)


def names_topics(file: FacilityFile) -> bool:
    """Whether a device of a file has a topic of its own, which ingest may not hear yet."""
    return any(
        device.topic is not None or any(channel.topic is not None for channel in device.measured)
        for device in file.devices
    )
