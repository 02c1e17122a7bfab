"""A facility taken out of force: its history stays, and applying its file brings it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, text

from services.core.accounting.spelling import did_you_mean
from services.core.store.audit.record import record
from services.core.store.database import notify
from services.core.store.registry import retirements
from services.core.store.registry.apply import lock, raise_revision
from services.core.store.schema import tables as t

_OWNED: Final = text(
    """
SELECT f.id, f.name, f.retired_at,
       ARRAY(SELECT d.slug FROM device d WHERE d.facility_id = f.id AND d.active
             ORDER BY d.slug) AS devices,
       ARRAY(SELECT s.slug FROM source s WHERE s.facility_id = f.id
             AND (s.active OR s.retired_at = f.retired_at) ORDER BY s.slug) AS sources,
       ARRAY(SELECT h.slug FROM threshold h WHERE h.facility_id = f.id AND h.active
             ORDER BY h.slug) AS thresholds,
       (SELECT count(*) FROM alert a WHERE a.facility_id = f.id
        AND a.resolved_at IS NULL AND a.undone_at IS NULL) AS open_alerts
FROM facility f WHERE f.slug = :facility
"""
)

_STORED: Final = text(
    """
SELECT (SELECT count(*) FROM emission_hour h JOIN source s ON s.id = h.source_id
        WHERE s.facility_id = :facility)
       + (SELECT CAST(coalesce(sum(p.hours), 0) AS int8) FROM packed_hours p
          JOIN source s ON s.id = p.source_id WHERE s.facility_id = :facility) AS hours,
       (SELECT count(*) FROM reading r WHERE r.channel_id = ANY(c.ids))
       + (SELECT CAST(coalesce(sum(p.readings), 0) AS int8) FROM packed_readings p
          WHERE p.channel_id = ANY(c.ids)) AS readings
FROM (SELECT ARRAY(SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
                   WHERE d.facility_id = :facility) AS ids) c
"""
)


class UnknownFacilityError(ValueError):
    """There is no such facility; the text says which one may be meant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredFacility:
    """A facility, and what of it is no longer in force when it is retired."""

    id: int
    slug: str
    name: str
    #: None: it was not retired, for this was a trial
    retirement: retirements.Retirement | None
    devices: tuple[str, ...]
    sources: tuple[str, ...]
    thresholds: tuple[str, ...]
    open_alerts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRows:
    """How much is stored of a facility, all of which stays."""

    readings: int
    hours: int


def look_up(connection: Connection, slug: str) -> RetiredFacility:
    """Read what a facility has, whether it is retired or not.

    :raises UnknownFacilityError: there is no such facility.
    """
    row = connection.execute(_OWNED, {"facility": slug}).one_or_none()
    if row is None:
        raise UnknownFacilityError(
            f"there is no facility {slug}{did_you_mean(slug, known(connection))}"
        )
    retired = (
        None
        if row.retired_at is None
        else retirements.of_row(connection.execute(retirements.in_force(row.id)).one())
    )
    return RetiredFacility(
        id=row.id,
        slug=slug,
        name=row.name,
        retirement=retired,
        devices=tuple(row.devices),
        sources=tuple(row.sources),
        thresholds=tuple(row.thresholds),
        open_alerts=row.open_alerts,
    )


def retire_facility(
    connection: Connection, slug: str, *, by: str, reason: str | None
) -> RetiredFacility:
    """Retire a facility in the caller's transaction; one that is retired stays as it is.

    :raises UnknownFacilityError: there is no such facility.
    """
    lock(connection)
    facility = look_up(connection, slug)
    if facility.retirement is not None:
        return facility
    retirements.begin(connection, facility.id, by=by, reason=reason)
    record(connection, "facility.retire", by=by, facility=slug, subject=slug, reason=reason)
    raise_revision(connection)
    connection.execute(select(func.pg_notify(notify.LIVE, slug)))
    return look_up(connection, slug)


def stored_rows(connection: Connection, facility_id: int) -> StoredRows:
    """Count what is stored of a facility; of years of readings that takes a while."""
    row = connection.execute(_STORED, {"facility": facility_id}).one()
    return StoredRows(readings=row.readings, hours=row.hours)


def known(connection: Connection) -> list[str]:
    """Read the ids of all facilities, the retired ones too."""
    return list(connection.scalars(select(t.facility.c.slug).order_by(t.facility.c.slug)))
