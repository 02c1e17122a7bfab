"""Which processes still work on a database that a newer schema would leave behind."""

from __future__ import annotations

from collections import Counter
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from services.core.store.database.process_names import SessionName, parse
from services.core.store.schema import compatibility

#: The address is NULL over a socket, and to a login that may not see other logins' sessions.
_SESSIONS: Final = text("""
SELECT application_name, host(client_addr) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name LIKE 'tonne.%'
""")

#: Waits for its own turn, and then has nothing left to do.
_MIGRATES: Final = "tonne.migrate"

#: So many are named; of more the number is.
_MAX_NAMED: Final = 12


def left_behind(connection: Connection, script: ScriptDirectory, present: str | None) -> list[str]:
    """Name the processes with a session that do not work on the schema of the newest migration.

    ``present`` is the schema that they work on now. One that reports no version is taken for the
    code of that schema: it works there, and nothing more is known of it.
    """
    if present is None or present == script.get_current_head():
        return []
    steps = list(script.walk_revisions())
    order = [step.revision for step in reversed(steps)]
    oldest = order.index(compatibility.compatible_from(steps))

    def goes_on(name: SessionName) -> bool:
        newest = name.revision or present
        # what is not known here is of a later version than this one
        return newest not in order or order.index(newest) >= oldest

    sessions = Counter(
        _words(name, address)
        for application_name, address in connection.execute(_SESSIONS)
        if (name := parse(application_name)) is not None
        and name.process != _MIGRATES
        and not goes_on(name)
    )
    return [
        words if count == 1 else f"{words} ({count} sessions)"
        for words, count in sorted(sessions.items())
    ]


def enumerate_processes(processes: list[str]) -> str:
    """Return them as part of a sentence."""
    more = len(processes) - _MAX_NAMED
    return "; ".join([*processes[:_MAX_NAMED], *([f"{more} more"] if more > 0 else [])])


def _words(name: SessionName, address: str | None) -> str:
    version = (
        "of a version that it does not report"
        if name.version is None
        else f"of version {name.version} (schema {name.revision})"
    )
    return f"{name.process} {version}{f' at {address}' if address else ''}"
