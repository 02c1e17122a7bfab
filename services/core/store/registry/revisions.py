"""Every configuration that a channel or a source, or the paths of a facility, ever had."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Table, case, func, select
from sqlalchemy.dialects.postgresql import insert

from services.core.store.database import database_time


def keep(connection: Connection, table: Table, owner_id: int, spec: Any) -> None:
    """Add a configuration, known from now on; ``table``: one of revisions.

    It follows what it replaces, also where that was dated by a clock that was ahead.
    """
    key = next(iter(table.primary_key.columns))
    known_at = table.c.known_at
    newest = select(func.max(known_at)).where(key == owner_id).scalar_subquery()
    after = case((newest > database_time.NOW, newest + timedelta(microseconds=1)))
    connection.execute(
        insert(table)
        .values({key: owner_id, "known_at": func.greatest(database_time.NOW, after), "spec": spec})
        .on_conflict_do_update(index_elements=[key, "known_at"], set_={"spec": spec})
    )
