"""Facilities that organisations of the home cell count with, wherever they live."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Connection

from services.core.facility.organisation import OrganisationFile
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.settings import Settings
from services.core.store.cells import identity, organisations
from services.core.store.cells.errors import CellError
from services.core.store.cells.naming import named
from services.core.store.cells.places import living
from services.core.store.database.connect import connect, driver_connection
from services.core.store.database.transactions import session
from services.core.store.operations.purge_facility import refuse_named


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgePlace:
    """Where a facility is purged."""

    url: str
    #: whether it is the one that organisations count with: no other cell has one of its id
    is_meant: bool = True


def living_anywhere(connection: Connection, file: OrganisationFile, settings: Settings) -> set[str]:
    """Return the facilities of a file that live in any cell; without cells none.

    Those that are here already, or were when they left, are looked for nowhere else.

    :raises CellError: organisations are not this cell's, or one that may live in a cell which
        TONNE_CELLS does not name.
    """
    known = {cell.name: cell for cell in identity.cells(driver_connection(connection))}
    if not known:
        return set()
    here = next(cell.name for cell in known.values() if cell.here)
    if here != HOME:
        slug = file.organisation.id
        is_old = organisations.has(driver_connection(connection), slug)
        before = f"run `tonne cells bring-home {slug}`, then " if is_old else ""
        raise CellError(
            f"this database is cell {here}, and organisations are the home cell's, whose facilities"
            f" may live in any: {before}apply the file where TONNE_DATABASE_URL is the home cell's"
        )
    slugs = {member.id for member in file.facilities}
    # what has left is not in the registry any more
    present = living(driver_connection(connection), slugs)
    lacking = slugs - present
    if not lacking:
        return present
    urls = cell_urls(settings)
    for name in sorted(urls.keys() - {HOME}):
        with (
            named(name),
            connect(urls[name], process="apply", role="tonne_read", autocommit=True) as cell,
        ):
            identity.check(name, cell)
            present |= living(cell, lacking)
    unnamed = sorted(known.keys() - urls.keys())
    if lacking - present and unnamed:
        raise CellError(
            f"facility {min(lacking - present)} does not live here, and may in cell {unnamed[0]}:"
            " name that cell in TONNE_CELLS, so that it can be looked for there"
        )
    return present


def purge_place(settings: Settings, facility: str, cell: str | None) -> PurgePlace:
    """Return the database that a facility is purged in; ``cell``: as it was named.

    :raises CellError: that is another cell than home, and not named.
    :raises StillNamedError: an organisation of the home cell counts with the facility.
    """
    urls = cell_urls(settings)
    if cell is None:
        with connect(urls[HOME], process="admin", autocommit=True) as connection:
            here = identity.here(connection)
        if here is not None and here.name != HOME:
            raise CellError(
                f"this database is cell {here.name}, and an organisation of the home cell may count"
                f" with {facility}: run this where TONNE_DATABASE_URL is the home cell's and"
                f" TONNE_CELLS names {here.name}, with --cell {here.name}"
            )
        return PurgePlace(url=urls[HOME])
    if cell not in urls:
        raise CellError(f"TONNE_CELLS names no cell {cell}")
    with ExitStack() as stack:
        connections = {}
        for name, url in urls.items():
            with named(name):
                opened = stack.enter_context(connect(url, process="admin", autocommit=True))
                identity.check(name, opened)
                connections[name] = opened
        # another facility of the same id, which no organisation means
        is_meant = len(identity.whereabouts(connections, facility)) == 1
    if is_meant:
        with session(urls[HOME], process="admin") as home:
            refuse_named(home, facility)
    return PurgePlace(url=urls[cell], is_meant=is_meant)
