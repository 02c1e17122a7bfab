"""Devices that were heard of and that nobody registered; what they sent waits in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, Text, column, func, literal, select, true

from services.core.facility import fleets, model
from services.core.store.readings import replays
from services.core.store.readings.quarantine_reasons import Reason
from services.core.store.readings.replays import Selection
from services.core.store.schema.tables import quarantine

#: Why messages of a device that nobody registered lie in quarantine.
REASONS: Final = (Reason.UNKNOWN_DEVICE.value, Reason.UNKNOWN_FACILITY.value)

#: Entries of no facility that are replayed at once when one registers their device.
_MAX_OF_NOBODY: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Unregistered:
    """A device that was heard of."""

    #: whose it is by its topic; None: no facility that there is
    facility: str | None
    #: as its topic or its gateway names it; empty: it sends none
    id: str
    #: one at which it was heard
    topic: str
    #: that wait in quarantine
    messages: int
    first_at: datetime
    last_at: datetime


def select_unregistered(
    *, limit: int, facilities: Sequence[str] | None = None, after: tuple[str, str] | None = None
) -> Select[Any]:
    """Select what :class:`Unregistered` has, by facility and id; ``facilities`` None: all.

    ``after``: facility and id of the last one before; None: from the first one on.
    """
    c = quarantine.c
    ids = func.unnest(c.unknown_ids).table_valued(column("name", Text)).render_derived("named")
    name = func.coalesce(ids.c.name, c.device)
    of_facility = func.coalesce(c.facility, "")
    statement = (
        select(
            c.facility,
            name.label("id"),
            func.max(c.topic).label("topic"),
            func.count().label("messages"),
            func.min(c.received_at).label("first_at"),
            func.max(c.received_at).label("last_at"),
        )
        .select_from(quarantine.outerjoin(ids, true()))
        .where(c.state == "open", c.reason.in_(REASONS), name.is_not(None))
        .group_by(c.facility, name)
        .order_by(of_facility, name)
        .limit(limit)
    )
    if facilities is not None:
        statement = statement.where(c.facility.in_(facilities))
    if after is not None:
        first = func.row(of_facility, name)
        statement = statement.where(first > func.row(literal(after[0]), literal(after[1])))
    return statement


def replay_registered(connection: Connection, file: model.FacilityFile, *, by: str) -> list[str]:
    """Ask for a replay of what waits for devices that the file registers; say of which."""
    slug = file.facility.id
    registered = {device.id for device in file.devices}
    registered |= {known_as for device in file.devices for known_as in device.known_as or ()}
    c = quarantine.c
    rows = connection.execute(
        select(c.device, c.unknown_ids)
        .distinct()
        .where(c.state == "open", c.facility == slug, c.reason.in_(REASONS))
    )
    waiting = sorted({name for row in rows for name in (row.device, *(row.unknown_ids or ()))
                      if name is not None and name in registered})  # fmt: skip
    if waiting:
        _replay(
            connection, Selection(facilities=(slug,), devices=tuple(waiting), reasons=REASONS), by
        )
    of_nobody = _of_nobody(connection, file)
    if of_nobody:
        _replay(connection, Selection(ids=tuple(of_nobody)), by)
    waiting += sorted(
        {name for ids in of_nobody.values() for name in ids or ()}.difference(waiting)
    )
    if not waiting:
        return []
    shown = ", ".join(waiting[:10]) + (f" and {len(waiting) - 10} more" if waiting[10:] else "")
    return [f"+ replay of what waits in quarantine for {shown}"]


def _of_nobody(connection: Connection, file: model.FacilityFile) -> dict[int, Sequence[str] | None]:
    """Read what came at topics of the file while no facility had them, with the ids in it."""
    topics = {
        exact
        for device in file.devices
        for channel in device.measured
        if (topic := model.own_topic(device.topic, channel.topic)) is not None
        for exact in fleets.topics_of(topic, device.device_from, device.known_as or ())
    }
    c = quarantine.c
    rows = connection.execute(
        select(c.id, c.unknown_ids)
        .where(
            c.state == "open",
            c.facility.is_(None),
            c.reason == Reason.UNKNOWN_DEVICE.value,
            c.topic.in_(topics),
        )
        .order_by(c.id)
        .limit(_MAX_OF_NOBODY)
    )
    return {row.id: row.unknown_ids for row in rows}


def _replay(connection: Connection, selection: Selection, by: str) -> None:
    replays.submit(connection, selection, accept=False, by=by, note="their devices were registered")
