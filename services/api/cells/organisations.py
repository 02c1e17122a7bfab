"""Which organisation a call over several cells is of, read once for all of them.

Organisations are the home cell's, as people and keys are; their facilities may live in any. One
that another cell has from before is found as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.api.auth import Principal
from services.api.cells.all_cells import AllCells
from services.api.context import Context
from services.api.http.parameters import Instant
from services.api.http.problems import NotFound
from services.api.routes.asked import moment
from services.api.routes.organisation_members import membership
from services.core.runtime.cell_urls import HOME
from services.core.store.registry.organisations import Membership

_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


async def asked_organisation(
    cells: AllCells, who: Principal, query: Mapping[str, Sequence[str]]
) -> Membership | None:
    """Read the organisation that a call names; None: the call has to be refused.

    :raises CellAway: a cell does not answer, and may have it.
    """
    if not who.may("read"):
        return None
    try:
        stated = [_INSTANT.validate_python(text) for text in query.get("as_of", [])]
    except ValidationError:
        return None
    now, as_of = moment(cells.contexts[HOME], stated[-1] if stated else None)
    slug = query["organisation"][-1]

    async def read(context: Context) -> Membership:
        return await membership(context, who, slug, now=now, as_of=as_of)

    # home first: where it does not answer, one of the same name elsewhere may be another
    for name in cells.contexts:
        try:
            return await cells.ask(name, read)
        except NotFound:
            continue
    return None
