"""Which facilities of an organisation live in other cells than the one that it is stated in."""

from __future__ import annotations

from sqlalchemy import Connection

from services.core.facility.organisation import OrganisationFile
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.settings import Settings
from services.core.store.cells import identity
from services.core.store.cells.errors import CellError
from services.core.store.cells.places import living
from services.core.store.database.connect import connect, driver_connection


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
        raise CellError(
            f"this database is cell {here}, and organisations are the home cell's, whose facilities"
            " may live in any: apply the file where TONNE_DATABASE_URL is the home cell's"
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
