"""What a backup must know of the database that it is made of."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import psycopg
from psycopg.rows import dict_row

from services.core.store.registry import applied_file

_FACTS: Final = """
SELECT current_setting('server_version') AS postgresql,
       current_setting('server_version_num')::int / 10000 AS major,
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
       (SELECT version_num FROM public.alembic_version) AS schema,
       current_database() AS database,
       pg_size_bytes(current_setting('wal_segment_size'))::int AS segment_bytes,
       pg_is_in_recovery() AS is_standby
"""

#: The slot by which the log is followed.
SLOT: Final = "tonne_backup"

#: Of the slot that keeps the log for who follows it; no row: there is none.
_SLOT: Final = "SELECT wal_status, active FROM pg_replication_slots WHERE slot_name = %s"

_DROP_SLOT: Final = "SELECT pg_drop_replication_slot(%s)"

_FILES: Final = "SELECT slug, file, document FROM facility WHERE retired_at IS NULL ORDER BY slug"


class BackupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Versions, names and sizes."""

    postgresql: str
    major: int
    timescaledb: str
    schema: str
    database: str
    segment_bytes: int
    is_standby: bool


def facts(connection: psycopg.Connection[Any]) -> BackupFacts:
    """Ask the server what it is."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_FACTS).fetchone()
    return msgspec.convert(row, BackupFacts)


def facility_files(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Return the text of every facility file in force, by the facility's id."""
    return {
        slug: applied_file.text_of(text, document)
        for slug, text, document in connection.execute(_FILES)
    }


def drop_lost_slot(connection: psycopg.Connection[Any]) -> bool:
    """Drop the slot whose log the server no longer has; return whether it did."""
    row = connection.execute(_SLOT, (SLOT,)).fetchone()
    if row is None or row[0] != "lost":
        return False
    connection.execute(_DROP_SLOT, (SLOT,))
    return True
