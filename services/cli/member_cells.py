"""Facilities that organisations of the home cell count with, wherever they live."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import Connection

from services.core.facility.organisation import OrganisationFile
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.settings import Settings
from services.core.store.cells import identity, organisations
from services.core.store.cells.errors import CellError
from services.core.store.cells.places import living
from services.core.store.database.connect import connect, driver_connection
from services.core.store.database.transactions import session
from services.core.store.operations.purge_facility import refuse_named


def living_elsewhere(
    connection: Connection, file: OrganisationFile, settings: Settings
) -> set[str]:
    """Return the facilities of a file that live in other cells; without cells none.

    Those that are here already are looked for nowhere else.

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
    lacking = slugs - living(driver_connection(connection), slugs)
    if not lacking:
        return set()
    urls, elsewhere = cell_urls(settings), set[str]()
    for name in sorted(urls.keys() - {HOME}):
        with connect(urls[name], process="apply", role="tonne_read", autocommit=True) as cell:
            identity.check(name, cell)
            elsewhere |= living(cell, lacking)
    unnamed = sorted(known.keys() - urls.keys())
    if lacking - elsewhere and unnamed:
        raise CellError(
            f"facility {min(lacking - elsewhere)} does not live here, and may in cell {unnamed[0]}:"
            " name that cell in TONNE_CELLS, so that it can be looked for there"
        )
    return elsewhere


def url_of_purge(settings: Settings, facility: str, cell: str | None) -> str:
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
        return urls[HOME]
    if cell not in urls:
        raise CellError(f"TONNE_CELLS names no cell {cell}")
    with ExitStack() as stack:
        connections = {
            name: stack.enter_context(connect(url, process="admin", autocommit=True))
            for name, url in urls.items()
        }
        for name, connection in connections.items():
            identity.check(name, connection)
        # another facility of the same id, which no organisation means
        is_double = len(identity.whereabouts(connections, facility)) > 1
    if not is_double:
        with session(urls[HOME], process="admin") as home:
            refuse_named(home, facility)
    return urls[cell]
