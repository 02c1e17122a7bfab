"""What must be there before the API can be trusted: schema and working processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_REVISIONS = text("SELECT to_regclass('alembic_version') IS NOT NULL")

_PROGRESS = text(
    "SELECT process, min(extract(epoch FROM now() - progressed_at)) AS age_s"
    " FROM process_progress GROUP BY process"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """What the database says of itself and of the processes that write to it."""

    #: None: no migration was ever applied
    schema_revision: str | None
    wanted_revision: str
    #: seconds since the last turn of the newest instance, by process
    progress_age_s: dict[str, float]


@cache
def newest_revision() -> str:
    """The migration that this code is written for."""
    head = ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head()
    return head or ""


async def readiness(connection: AsyncConnection) -> Readiness:
    """Read the schema's revision and the age of every process's progress."""
    revision: str | None = None
    ages: dict[str, float] = {}
    if await connection.scalar(_REVISIONS):
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        rows = await connection.execute(_PROGRESS)
        ages = {row.process: float(row.age_s) for row in rows}
    return Readiness(
        schema_revision=revision, wanted_revision=newest_revision(), progress_age_s=ages
    )
