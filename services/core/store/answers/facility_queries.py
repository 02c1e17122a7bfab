"""Which facilities and sources there are, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import Label, Table, false, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.answers.answer_states import BY_READINGS
from services.core.store.emissions import hour_history
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.tables import device, source

_slug: Final = attrgetter("slug")

_HAS_EXPORT = func.coalesce(
    source.c.spec["direction"].as_string().in_(("export", "both")), false()
).label("has_export")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRow:
    """One source of emissions."""

    id: int
    slug: str
    #: the id where the file gives it none
    name: str
    scope: int
    method: str
    activity_unit: str | None
    #: its meter tells what flows out
    has_export: bool = False
    #: it is retired, and an active source counts its readings in its place
    replaced: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityRow:
    """One facility with its active sources, or those that were retired with it."""

    id: int
    slug: str
    name: str
    #: IANA name
    timezone: str
    #: None: it is in force
    retired_at: datetime | None = None
    sources: tuple[SourceRow, ...] = field(default=())
    #: there are sources that are retired, its own or with it
    has_retired_sources: bool = False
    #: bands follow from its newest readings, and not from the registry alone
    bands_follow_readings: bool = False
    #: degrees north and east, WGS 84; None: its file does not say where it is
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceRow:
    """One device, and what was heard of it."""

    slug: str
    #: the id where the file gives it none
    name: str
    #: None: never
    last_seen: datetime | None
    #: what its status topic last said, and when; None: never anything
    online: bool | None
    status_at: datetime | None


def _name(table: Table) -> Label[str]:
    """Return what people call a device or source: its id where the file gives it no name."""
    return func.coalesce(table.c.spec["name"].astext, table.c.slug).label("name")


async def devices(
    connection: AsyncConnection, facility_ids: Sequence[int]
) -> dict[int, list[DeviceRow]]:
    """Read the active devices of facilities, by facility."""
    columns = (
        device.c.slug,
        _name(device),
        device.c.last_seen,
        device.c.online,
        device.c.status_at,
    )
    rows = await connection.execute(
        select(device.c.facility_id, *columns)
        .where(device.c.facility_id.in_(facility_ids), device.c.active)
        .order_by(device.c.slug)
    )
    devices_: dict[int, list[DeviceRow]] = {facility_id: [] for facility_id in facility_ids}
    for row in rows:
        devices_[row.facility_id].append(
            DeviceRow(
                slug=row.slug,
                name=row.name,
                last_seen=row.last_seen,
                online=row.online,
                status_at=row.status_at,
            )
        )
    return devices_


_FACILITIES: Final = f"""
SELECT f.id, f.slug, f.name, f.timezone, f.retired_at, {BY_READINGS} AS bands_follow_readings,
       retired.has_sources AS has_retired_sources,
       place.latitude, place.longitude,
       s.id AS source_id, s.slug AS source, coalesce(s.spec->>'name', s.slug) AS source_name,
       s.scope, s.method, s.activity_unit,
       coalesce(s.spec->>'direction' IN ('export', 'both'), false) AS has_export
FROM facility f CROSS JOIN LATERAL (
    -- counted, for whether there is one would be looked up among the sources of all facilities
    SELECT count(*) > 0 AS has_sources FROM source x
    WHERE x.facility_id = f.id AND x.scope > 0 AND NOT x.active
) retired CROSS JOIN LATERAL (
    -- once for each facility, not for each source: documents are long
    SELECT CAST(f.document#>>'{{facility,location,latitude}}' AS float8) AS latitude,
           CAST(f.document#>>'{{facility,location,longitude}}' AS float8) AS longitude
    OFFSET 0
) place LEFT JOIN source s
     ON s.facility_id = f.id AND s.scope > 0 AND (s.active OR s.retired_at = f.retired_at)
WHERE {{named}}
ORDER BY f.slug, s.id
"""  # noqa: S608 - constants
_ALL_FACILITIES = text(_FACILITIES.replace("{named}", "true"))
_SOME_FACILITIES = text(_FACILITIES.replace("{named}", "f.slug = ANY(:only)"))


async def facilities(
    connection: AsyncConnection, *, only: Sequence[str] | None = None
) -> list[FacilityRow]:
    """Read facilities by name of their slug, retired ones too; ``only``: these slugs."""
    heads: dict[int, FacilityRow] = {}
    sources: dict[int, list[SourceRow]] = {}
    if only is None:
        rows = await connection.execute(_ALL_FACILITIES)
    else:
        rows = await connection.execute(_SOME_FACILITIES, {"only": list(only)})
    for row in rows:
        heads.setdefault(
            row.id,
            FacilityRow(
                id=row.id,
                slug=row.slug,
                name=row.name,
                timezone=row.timezone,
                retired_at=row.retired_at,
                has_retired_sources=row.has_retired_sources,
                bands_follow_readings=row.bands_follow_readings,
                latitude=row.latitude,
                longitude=row.longitude,
            ),
        )
        sources_of_facility = sources.setdefault(row.id, [])
        if row.source_id is not None:
            sources_of_facility.append(
                SourceRow(
                    id=row.source_id,
                    slug=row.source,
                    name=row.source_name,
                    scope=row.scope,
                    method=row.method,
                    activity_unit=row.activity_unit,
                    has_export=row.has_export,
                )
            )
    return [replace(head, sources=tuple(sources[head.id])) for head in heads.values()]


_SOURCES_BETWEEN = text(
    f"""
SELECT s.facility_id, {is_replaced("a.active")} AS replaced,
       s.id, s.slug, coalesce(s.spec->>'name', s.slug) AS name, s.scope, s.method, s.activity_unit,
       coalesce(s.spec->>'direction' IN ('export', 'both'), false) AS has_export,
       NOT a.active AND NOT h.are_rows AS is_unsure
FROM source s CROSS JOIN LATERAL (
    SELECT s.active OR coalesce(s.retired_at > CAST(:as_of AS timestamptz), false) AS active
) a CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM emission_hour h WHERE h.source_id = s.id AND h.hour >= :begins
                   AND h.hour < :ends) AS are_rows) h
WHERE s.facility_id = ANY(:facility_ids) AND (s.scope > 0 OR CAST(:with_production AS boolean))
  AND (a.active OR h.are_rows OR EXISTS (
    SELECT FROM packed_hours p
    WHERE p.source_id = s.id AND p.last_hour >= :begins AND p.first_hour < :ends))
ORDER BY s.slug COLLATE "C"
"""  # noqa: S608 - constants
)

_WITH_HOURS = text(
    """
SELECT id FROM unnest(CAST(:sources AS int[])) AS s(id) WHERE EXISTS (
    SELECT FROM emission_hour h WHERE h.source_id = id AND h.hour >= :begins AND h.hour < :ends)
"""
)


async def sources_between(
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    *,
    begins: datetime,
    ends: datetime,
    as_of: datetime | None = None,
    with_production: bool = False,
) -> dict[int, list[SourceRow]]:
    """Read the sources that are active or have totals in ``begins .. ends``, by facility.

    ``as_of``: when they are, or were, active; None: now. ``with_production``: what is counted of
    products too.
    """
    sources: dict[int, list[SourceRow]] = {
        facility.id: sorted(facility.sources, key=_slug) for facility in facilities
    }
    # those that are active count whatever they have
    are_asked = as_of is not None or with_production
    asked = [f.id for f in facilities if f.has_retired_sources or are_asked]
    if not asked:
        return sources
    between = {"begins": begins, "ends": ends}
    result = await connection.execute(
        _SOURCES_BETWEEN,
        {
            "facility_ids": asked,
            "as_of": as_of,
            "with_production": with_production,
            **between,
        },
    )
    rows = [dict(row) for row in result.mappings()]
    unsure = {row["id"] for row in rows if row.pop("is_unsure")}
    if unsure:
        # whether packed months have hours of just this span
        async with hour_history.reading_async(connection, sorted(unsure), begins, ends):
            certain = await connection.execute(_WITH_HOURS, {"sources": sorted(unsure), **between})
            unsure -= set(certain.scalars())
    sources |= {facility_id: [] for facility_id in asked}
    for row in rows:
        facility_id = row.pop("facility_id")
        if row["id"] not in unsure:
            sources[facility_id].append(SourceRow(**row))
    return sources


async def all_sources(
    connection: AsyncConnection, facilities: Sequence[FacilityRow]
) -> dict[int, tuple[FacilityRow, SourceRow]]:
    """Read what emits at facilities, retired sources too, by their ids."""
    by_id = {facility.id: facility for facility in facilities}
    columns = (
        source.c.facility_id,
        source.c.id,
        source.c.slug,
        _name(source),
        source.c.scope,
        source.c.method,
        source.c.activity_unit,
        _HAS_EXPORT,
    )
    rows = await connection.execute(
        select(*columns)
        .where(source.c.facility_id.in_(by_id), source.c.scope > 0)
        .order_by(source.c.facility_id, source.c.slug)
    )
    return {
        row["id"]: (by_id[facility_id], SourceRow(**row))
        for facility_id, row in (
            (row.pop("facility_id"), row) for row in map(dict, rows.mappings())
        )
    }
