"""Which facilities an organisation's answers are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from services.api.auth import Principal, visible_facilities
from services.api.context import Context
from services.api.http.problems import NotFound
from services.core.facility.organisation import Member
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.registry.organisations import StatedOrganisation, stated_organisations


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OrganisationMembers:
    """An organisation and who belongs to it."""

    stated: StatedOrganisation
    #: by facility id
    members: Mapping[str, Member]
    facilities: list[FacilityRow]


async def organisation_members(
    context: Context, who: Principal, slug: str, *, now: datetime, as_of: datetime | None
) -> OrganisationMembers:
    """Read an organisation, and the facilities that belong to it at ``now``.

    :raises NotFound: there is none, or the key does not see all of its facilities.
    """
    stated = await context.database.read_in_thread(lambda c: stated_organisations(c, slug, as_of))
    if not stated or not all(who.sees(member.id) for member in stated[0].file.facilities):
        raise NotFound(f"There is no organisation {slug}; apply its file with `tonne apply`.")
    today = now.astimezone(UTC).date()
    members = {m.id: m for m in stated[0].file.facilities if m.belongs(today)}
    # an empty list would ask for all
    facilities = await visible_facilities(context, who, list(members)) if members else []
    return OrganisationMembers(stated=stated[0], members=members, facilities=facilities)
