"""Which facilities and sources there are, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Label, Table, false, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.emissions import hour_history
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.tables import device, facility, source

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


async def facilities(
    connection: AsyncConnection, *, only: Sequence[str] | None = None
) -> list[FacilityRow]:
    """Read facilities by name of their slug, retired ones too; ``only``: these slugs."""
    statement = (
        select(
            facility.c.id,
            facility.c.slug,
            facility.c.name,
            facility.c.timezone,
            facility.c.retired_at,
            source.c.id.label("source_id"),
            source.c.slug.label("source"),
            _name(source).label("source_name"),
            source.c.scope,
            source.c.method,
            source.c.activity_unit,
            _HAS_EXPORT,
        )
        .select_from(
            facility.outerjoin(
                source,
                (source.c.facility_id == facility.c.id)
                & (source.c.scope > 0)
                & (source.c.active | (source.c.retired_at == facility.c.retired_at)),
            )
        )
        .order_by(facility.c.slug, source.c.id)
    )
    if only is not None:
        statement = statement.where(facility.c.slug.in_(only))
    heads: dict[int, FacilityRow] = {}
    sources: dict[int, list[SourceRow]] = {}
    for row in await connection.execute(statement):
        heads.setdefault(
            row.id,
            FacilityRow(
                id=row.id,
                slug=row.slug,
                name=row.name,
                timezone=row.timezone,
                retired_at=row.retired_at,
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
    return [
        FacilityRow(
            id=head.id,
            slug=head.slug,
            name=head.name,
            timezone=head.timezone,
            retired_at=head.retired_at,
            sources=tuple(sources[head.id]),
        )
        for head in heads.values()
    ]


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
ORDER BY s.slug
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
    facility_ids: Sequence[int],
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
    between = {"begins": begins, "ends": ends}
    result = await connection.execute(
        _SOURCES_BETWEEN,
        {
            "facility_ids": list(facility_ids),
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
    sources: dict[int, list[SourceRow]] = {facility_id: [] for facility_id in facility_ids}
    for row in rows:
        facility_id = row.pop("facility_id")
        if row["id"] not in unsure:
            sources[facility_id].append(SourceRow(**row))
    return sources


async def all_sources(connection: AsyncConnection, facility_id: int) -> list[SourceRow]:
    """Read what emits at a facility, retired sources too."""
    columns = (
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
        .where(source.c.facility_id == facility_id, source.c.scope > 0)
        .order_by(source.c.slug)
    )
    return [SourceRow(**row) for row in rows.mappings()]
