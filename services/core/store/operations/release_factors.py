"""The factors of a new release in a database that an older one filled."""

from __future__ import annotations

from sqlalchemy import Connection

from services.core.store.registry.apply import lock, raise_revision
from services.core.store.registry.builtin_release import load_builtin_factors


def bring_in_factors(connection: Connection) -> list[str]:
    """Write what this release brings of the factors in use; return a line for each change.

    Runs in the caller's transaction. Hours that a changed version counts in are restated.

    :raises ApplyError: a source could not be computed any more.
    """
    lock(connection)
    changes = load_builtin_factors(connection)
    if changes:
        raise_revision(connection)
    return changes
