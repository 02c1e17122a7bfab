"""Name a process to the database: what it is, its version, and the newest schema that it knows.

The name is every session's ``application_name``, which all logins may read in
``pg_stat_activity``: so an operator and a migration see which code works on a database.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Final, Literal, NamedTuple

from services.core.store.database.schema_version import newest_revision

ProcessName = Literal["ingest", "aggregator", "notify", "api", "migrate", "apply", "admin", "test"]

#: A version before this was reported gave the first word alone.
_FORM: Final = re.compile(r"(tonne\.\w+)(?: (\S+) schema (\w+))?")


class SessionName(NamedTuple):
    """What a session says of the process that opened it; None: that process does not report it."""

    process: str
    version: str | None = None
    revision: str | None = None


@cache
def session_name(process: str) -> str:
    """Return the ``application_name`` of this code's sessions."""
    return f"tonne.{process} {version('tonne')} schema {newest_revision()}"


def parse(name: str) -> SessionName | None:
    """Read a session's ``application_name``; None: it is not of tonne."""
    match = _FORM.fullmatch(name)
    return SessionName(*match.groups()) if match else None
