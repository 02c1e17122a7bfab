"""Write thresholds and maintenance into the registry: versioned, nothing forgotten.

What the facility file states belongs to it, what the API states belongs to the API: neither
changes or takes away what is the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from services.core.facility import model
from services.core.facility.thresholds import Maintenance, Threshold
from services.core.store.database import database_time
from services.core.store.schema import alert_tables as t
from services.core.store.schema.tables import channel, device, source

Origin = Literal["file", "api"]

_FROM_NOW_ON = func.date_trunc("minute", database_time.NOW)


class OwnedElsewhereError(ValueError):
    """The id is already used by what the facility file, or the API, states."""


def apply_thresholds(
    connection: Connection,
    file: model.FacilityFile,
    facility_id: int,
    changes: list[str],
    *,
    by: str | None,
) -> None:
    """Bring the file's thresholds and maintenance into force, and take out those it had before."""
    before = {
        row.slug: row
        for row in connection.execute(
            select(t.threshold).where(t.threshold.c.facility_id == facility_id)
        )
    }
    fresh = [threshold for threshold in file.thresholds if threshold.id not in before]
    _add_all(connection, facility_id, fresh, by=by)
    changes += [f"+ threshold {threshold.id}" for threshold in fresh]
    for threshold in file.thresholds:
        old = before.get(threshold.id)
        same = old is not None and (old.origin, old.active) == ("file", True)
        if old is not None and not (same and old.spec == model.spec(threshold)):
            set_threshold(connection, facility_id, threshold, changes, origin="file", by=by)
    for slug in _ids_in_force(connection, t.threshold, facility_id) - {
        threshold.id for threshold in file.thresholds
    }:
        unset_threshold(connection, facility_id, slug, changes, origin="file", by=by)
    for maintenance in file.maintenance:
        set_maintenance(connection, facility_id, maintenance, changes, origin="file", by=by)
    for slug in _ids_in_force(connection, t.maintenance, facility_id) - {
        e.id for e in file.maintenance
    }:
        unset_maintenance(connection, facility_id, slug, changes, origin="file")


def begin_anew(connection: Connection, facility_id: int) -> None:
    """Evaluate a facility's thresholds from this minute on: before, nobody watched it."""
    connection.execute(
        update(t.threshold)
        .where(t.threshold.c.facility_id == facility_id, t.threshold.c.active)
        .values(in_force_from=_FROM_NOW_ON)
    )


def set_threshold(
    connection: Connection,
    facility_id: int,
    threshold: Threshold,
    changes: list[str],
    *,
    origin: Origin,
    by: str | None,
) -> None:
    """Bring a threshold into force from this minute on; what it watches must be there.

    :raises OwnedElsewhereError: the id is not ``origin``'s.
    """
    spec = model.spec(threshold)
    old = _stored_row(connection, t.threshold, facility_id, threshold.id)
    _must_own(old, origin, "threshold", threshold.id)
    if old is not None and old.active and old.spec == spec:
        return
    if old is None:
        _add_all(connection, facility_id, [threshold], origin=origin, by=by)
        changes.append(f"+ threshold {threshold.id}")
        return
    version = old.version + 1
    connection.execute(
        update(t.threshold)
        .where(t.threshold.c.id == old.id)
        .values(
            origin=origin,
            version=version,
            **_watched(threshold, _Places(connection, facility_id)),
            active=True,
            in_force_from=_FROM_NOW_ON,
        )
    )
    changes.append(f"{'~' if old.active else '+'} threshold {threshold.id}")
    _keep(connection, old.id, version, spec, by)


def unset_threshold(
    connection: Connection,
    facility_id: int,
    slug: str,
    changes: list[str],
    *,
    origin: Origin,
    by: str | None,
) -> bool:
    """Take a threshold out of force; False if there is none.

    :raises OwnedElsewhereError: it is not ``origin``'s.
    """
    old = _stored_row(connection, t.threshold, facility_id, slug)
    if old is None or not old.active:
        return False
    _must_own(old, origin, "threshold", slug)
    connection.execute(
        update(t.threshold)
        .where(t.threshold.c.id == old.id)
        .values(active=False, version=old.version + 1)
    )
    _keep(connection, old.id, old.version + 1, None, by)
    changes.append(f"- threshold {slug}")
    return True


def set_maintenance(
    connection: Connection,
    facility_id: int,
    maintenance: Maintenance,
    changes: list[str],
    *,
    origin: Origin,
    by: str | None,
) -> None:
    """State a maintenance.

    :raises OwnedElsewhereError: the id is not ``origin``'s.
    """
    old = _stored_row(connection, t.maintenance, facility_id, maintenance.id)
    _must_own(old, origin, "maintenance", maintenance.id)
    values: dict[str, Any] = {
        "origin": origin,
        "from_ts": maintenance.from_,
        "to_ts": maintenance.to,
        "sources": None if maintenance.sources is None else list(maintenance.sources),
        "thresholds": None if maintenance.thresholds is None else list(maintenance.thresholds),
        "reason": maintenance.reason,
        "active": True,
    }
    if old is None:
        connection.execute(
            insert(t.maintenance).values(
                facility_id=facility_id, slug=maintenance.id, stated_by=by, **values
            )
        )
        changes.append(f"+ maintenance {maintenance.id}")
    elif any(getattr(old, name) != value for name, value in values.items()):
        connection.execute(
            update(t.maintenance)
            .where(t.maintenance.c.id == old.id)
            .values(stated_by=by, stated_at=database_time.NOW, **values)
        )
        changes.append(f"~ maintenance {maintenance.id}")


def unset_maintenance(
    connection: Connection, facility_id: int, slug: str, changes: list[str], *, origin: Origin
) -> bool:
    """Take a maintenance back; False if there is none.

    :raises OwnedElsewhereError: it is not ``origin``'s.
    """
    old = _stored_row(connection, t.maintenance, facility_id, slug)
    if old is None or not old.active:
        return False
    _must_own(old, origin, "maintenance", slug)
    connection.execute(
        update(t.maintenance).where(t.maintenance.c.id == old.id).values(active=False)
    )
    changes.append(f"- maintenance {slug}")
    return True


def _ids_in_force(connection: Connection, table: Any, facility_id: int) -> set[str]:
    return set(
        connection.scalars(
            select(table.c.slug).where(
                table.c.facility_id == facility_id, table.c.active, table.c.origin == "file"
            )
        )
    )


def _stored_row(connection: Connection, table: Any, facility_id: int, slug: str) -> Row[Any] | None:
    return connection.execute(
        select(table).where(table.c.facility_id == facility_id, table.c.slug == slug)
    ).one_or_none()


def _must_own(old: Row[Any] | None, origin: Origin, kind: str, slug: str) -> None:
    if old is None or not old.active or old.origin == origin:
        return
    if origin == "file":
        raise OwnedElsewhereError(
            f"the API has a {kind} {slug}: give the file's another id, or delete the API's first"
        )
    raise OwnedElsewhereError(
        f"the {kind} {slug} stands in the facility file: change it there and apply the file"
    )


class _Places:
    """What a facility's thresholds can watch: ids by names."""

    def __init__(self, connection: Connection, facility_id: int) -> None:
        def ids(statement: Select[Any]) -> dict[str | None, int]:
            return {name: id_ for name, id_ in connection.execute(statement)}  # noqa: C416

        self.sources = ids(
            select(source.c.slug, source.c.id).where(source.c.facility_id == facility_id)
        )
        self.devices = ids(
            select(device.c.slug, device.c.id).where(device.c.facility_id == facility_id)
        )
        self.channels = ids(
            select(device.c.slug + "." + channel.c.slug, channel.c.id)
            .join(device, device.c.id == channel.c.device_id)
            .where(device.c.facility_id == facility_id)
        )


def _watched(threshold: Threshold, places: _Places) -> dict[str, Any]:
    return {
        "spec": model.spec(threshold),
        "source_id": places.sources.get(threshold.source),
        "scope": threshold.scope,
        "channel_id": places.channels.get(threshold.channel),
        "device_id": places.devices.get(threshold.device),
    }


def _add_all(
    connection: Connection,
    facility_id: int,
    thresholds: Sequence[Threshold],
    *,
    origin: Origin = "file",
    by: str | None,
) -> None:
    """Add thresholds whose ids were never used; a file may have thousands."""
    if not thresholds:
        return
    places = _Places(connection, facility_id)
    since = connection.scalar(select(_FROM_NOW_ON))
    added = connection.execute(
        insert(t.threshold).returning(t.threshold.c.id, t.threshold.c.spec),
        [
            {
                "facility_id": facility_id,
                "slug": threshold.id,
                "origin": origin,
                "version": 1,
                **_watched(threshold, places),
                "in_force_from": since,
            }
            for threshold in thresholds
        ],
    )
    connection.execute(
        insert(t.threshold_revision),
        [
            {"threshold_id": row.id, "version": 1, "spec": row.spec, "changed_by": by}
            for row in added
        ],
    )


def _keep(
    connection: Connection, threshold_id: int, version: int, spec: Any, by: str | None
) -> None:
    connection.execute(
        insert(t.threshold_revision).values(
            threshold_id=threshold_id, version=version, spec=spec, changed_by=by
        )
    )
