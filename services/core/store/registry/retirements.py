"""Facilities that are retired: since when and by whom, and that they came back.

A facility that is retired keeps its file, its devices and its thresholds as they are; that it is
retired is what keeps them from being heard and evaluated. Its sources are retired with it, at the
same instant, for a source says by itself up to when its hours are expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, select, update

from services.core.facility.errors import ApplyError
from services.core.runtime.cell_urls import HOME
from services.core.store.database import database_time
from services.core.store.schema import tables as t
from services.core.store.schema.cell_tables import cell as cells
from services.core.store.schema.cell_tables import cell_arrival, cell_departure, cell_facility
from services.core.timeline.instants import to_minute


class RetiredError(ApplyError):
    """Something of a retired facility cannot be changed; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retirement:
    """That a facility is retired: nothing of it is computed of a later minute."""

    instant: datetime
    by: str
    #: in the words of whoever retired it
    reason: str | None

    @property
    def minute(self) -> int:
        """The minute (since the epoch) that it was retired in, its last one."""
        return to_minute(self.instant)


def in_force(facility_id: int) -> Select[Any]:
    """Ask for the retirement that a facility is in; no row: it is in force."""
    r = t.facility_retirement.c
    return (
        select(r.retired_at.label("at"), r.retired_by.label("by"), r.reason)
        .where(r.facility_id == facility_id, r.returned_at.is_(None))
        .order_by(r.id.desc())
        .limit(1)
    )


def of_row(row: Row[Any]) -> Retirement:
    """Read the retirement of a row that :func:`in_force` asked for."""
    return Retirement(instant=row.at, by=row.by, reason=row.reason)


def begin(connection: Connection, facility_id: int, *, by: str, reason: str | None) -> None:
    """Retire a facility, and with it the sources that its file names."""
    connection.execute(
        update(t.facility)
        .where(t.facility.c.id == facility_id)
        .values(retired_at=database_time.NOW)
    )
    connection.execute(
        update(t.source)
        .where(t.source.c.facility_id == facility_id, t.source.c.active)
        .values(active=False, retired_at=database_time.NOW)
    )
    connection.execute(
        insert(t.facility_retirement).values(
            facility_id=facility_id, retired_at=database_time.NOW, retired_by=by, reason=reason
        )
    )


def end(connection: Connection, facility_id: int, *, by: str | None) -> None:
    """Bring a facility back into force; its sources follow as its file is applied."""
    connection.execute(
        update(t.facility).where(t.facility.c.id == facility_id).values(retired_at=None)
    )
    connection.execute(
        update(t.facility_retirement)
        .where(
            t.facility_retirement.c.facility_id == facility_id,
            t.facility_retirement.c.returned_at.is_(None),
        )
        .values(returned_at=database_time.NOW, returned_by=by)
    )


def refuse_if_moved(connection: Connection, slug: str) -> None:
    """Refuse to begin a facility anew that lives in another cell.

    :raises RetiredError: it left for there, and has not come back.
    """
    d, a = cell_departure.c, cell_arrival.c
    returned = exists().where(a.facility == d.facility, a.begun_at > d.left_at)
    cell = connection.scalar(
        select(d.to_cell)
        .where(d.facility == slug, d.left_at.is_not(None), ~returned)
        .order_by(d.id.desc())
        .limit(1)
    )
    if cell is not None:
        raise RetiredError(
            f"facility {slug} lives in cell {cell}: apply its file to that cell's database"
        )
    _refuse_if_unclaimed(connection, slug)


def _refuse_if_unclaimed(connection: Connection, slug: str) -> None:
    """Refuse an id that is another cell's, or nobody's yet where home has to be asked."""
    present = connection.scalar(select(cells.c.name).where(cells.c.here))
    owner = connection.scalar(select(cell_facility.c.cell).where(cell_facility.c.slug == slug))
    if present is None or owner == present or (owner is None and present == HOME):
        return
    if owner is not None:
        raise RetiredError(f"the id {slug} is of cell {owner}: give the new facility another id")
    raise RetiredError(
        f"the id {slug} may be another cell's: claim it first, by `tonne cells claim {slug} --cell"
        f" {present}`, or apply the file through the API over all cells"
    )


def refuse_if_purged(connection: Connection, slug: str) -> None:
    """Let nobody bring back a facility of which a part is deleted already.

    :raises RetiredError: a purge of it has begun and is not finished.
    """
    p = t.facility_purge.c
    begun = connection.scalar(select(p.begun_at).where(p.facility == slug, p.finished_at.is_(None)))
    if begun is not None:
        raise RetiredError(
            f"facility {slug} is being purged since {begun:%Y-%m-%dT%H:%MZ}: a part of its data is"
            f" gone; finish it with `tonne remove {slug} --purge`, then apply the file"
        )
