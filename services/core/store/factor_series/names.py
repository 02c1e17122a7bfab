"""Which series there are: of a facility, and for every facility."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from services.core.facility.errors import ApplyError
from services.core.store.schema.factor_series_tables import factor_series
from services.core.store.schema.tables import facility


class UnknownSeriesError(LookupError):
    """There is no such series; the message says how to state one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A factor by the hour."""

    id: int
    #: None: for every facility
    facility_id: int | None
    slug: str
    unit: str


def keep(connection: Connection, facility_id: int | None, slug: str, unit: str) -> int:
    """Have a series of this name and return its id; what it has of values stays.

    :raises ApplyError: its values are per another unit.
    """
    connection.execute(
        insert(factor_series)
        .values(facility_id=facility_id, slug=slug, unit=unit)
        .on_conflict_do_nothing()
    )
    stored = series(connection, facility_id, [slug])[slug]
    if stored.unit != unit:
        raise ApplyError(
            f"factor {slug} is a series per {stored.unit}, and its values stay what they are: give"
            f" the series per {unit} another id"
        )
    return stored.id


def facility_id(connection: Connection, slug: str) -> int:
    """Read the id of a facility.

    :raises UnknownSeriesError: there is no such facility.
    """
    row_id = connection.scalar(select(facility.c.id).where(facility.c.slug == slug))
    if row_id is None:
        raise UnknownSeriesError(f"there is no facility {slug}, and so no series of it")
    return int(row_id)


def series(
    connection: Connection, facility_id: int | None, slugs: Collection[str]
) -> dict[str, Series]:
    """Read the series of these names that a facility has itself, or for None, that all have.

    :raises UnknownSeriesError: there is none of some name.
    """
    s = factor_series.c
    rows = connection.execute(
        select(s.id, s.facility_id, s.slug, s.unit).where(
            s.slug.in_(slugs), s.facility_id.is_not_distinct_from(facility_id)
        )
    )
    known = {
        row.slug: Series(id=row.id, facility_id=row.facility_id, slug=row.slug, unit=row.unit)
        for row in rows
    }
    for slug in slugs:
        if slug not in known:
            raise UnknownSeriesError(unknown(slug, shared=facility_id is None))
    return known


def unknown(slug: str, *, shared: bool) -> str:
    """Say that there is no such series, and how to state one."""
    return f"there is no series {slug} " + (
        "that every facility can use: import it with series in the column kind, before its values;"
        " where a facility file states it, name the facility"
        if shared
        else "of this facility: state the factor with kind: series in its file, before its values;"
        " those of one that was imported belong to no facility"
    )
