"""What a change of configuration makes to be computed again, told to whoever makes it."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from services.core.store.schema import tables as t


def newest(connection: Connection) -> int:
    """Return the newest entry of the queue, to tell later ones from it; needs the registry lock."""
    return int(connection.scalar(select(func.coalesce(func.max(t.recompute.c.id), 0))) or 0)


def since(connection: Connection, newest: int, facility: str) -> list[str]:
    """Return what a facility's change has queued since, a line each: source, from when, why."""
    rows = connection.execute(
        select(
            t.source.c.slug,
            func.minute_start(t.recompute.c.from_minute).label("begins"),
            t.recompute.c.reason,
        )
        .join_from(t.recompute, t.source, t.source.c.id == t.recompute.c.source_id)
        .join(t.facility, t.facility.c.id == t.recompute.c.facility_id)
        .where(t.recompute.c.id > newest, t.facility.c.slug == facility)
        .order_by(t.recompute.c.id)
    )
    return [f"source {row.slug} from {row.begins:%Y-%m-%dT%H:%MZ}: {row.reason}" for row in rows]
