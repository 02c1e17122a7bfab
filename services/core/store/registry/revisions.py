"""Every configuration that a channel or a source, or the paths of a facility, ever had."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql import insert

from services.core.store.database import database_time


def keep(connection: Connection, table: Table, owner_id: int, spec: Any) -> None:
    """Add a configuration, known from now on; ``table``: one of revisions."""
    key = next(iter(table.primary_key.columns))
    connection.execute(
        insert(table)
        .values({key: owner_id, "known_at": database_time.NOW, "spec": spec})
        .on_conflict_do_update(index_elements=[key, "known_at"], set_={"spec": spec})
    )
