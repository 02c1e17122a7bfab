"""Which facilities an organisation's answers are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from services.api.auth import Principal, visible_facilities
from services.api.context import Context
from services.api.http import gathered
from services.api.http.problems import NotFound
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.registry.organisations import Membership, stated_organisations


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OrganisationMembers:
    """An organisation, and those who belong to it as far as one database has them."""

    membership: Membership
    facilities: list[FacilityRow]


async def organisation_members(
    context: Context, who: Principal, slug: str, *, now: datetime, as_of: datetime | None
) -> OrganisationMembers:
    """Read an organisation, and the facilities that belong to it at ``now``.

    Where several databases are asked, it was read once for all of them.

    :raises NotFound: there is none, the key does not see all of its facilities, or one of them is
        nowhere.
    """
    gathering = gathered.current.get()
    read = None if gathering is None else gathering.organisation
    if read is None:
        read = await membership(context, who, slug, now=now, as_of=as_of)
    if not read.members:
        # an empty list would ask for all
        return OrganisationMembers(membership=read, facilities=[])
    async with context.database.read() as connection:
        facilities = await context.facilities.read(connection, only=list(read.members))
    if absent := gathered.not_here(read.members.keys() - {row.slug for row in facilities}):
        await visible_facilities(context, who, sorted(absent))
    return OrganisationMembers(membership=read, facilities=facilities)


async def membership(
    context: Context, who: Principal, slug: str, *, now: datetime, as_of: datetime | None
) -> Membership:
    """Read an organisation and who belongs to it at ``now``, wherever these live.

    :raises NotFound: there is none, or the key does not see all of its facilities.
    """
    stated = await context.database.read_in_thread(lambda c: stated_organisations(c, slug, as_of))
    if not stated or not all(who.sees(member.id) for member in stated[0].file.facilities):
        raise NotFound(f"There is no organisation {slug}; apply its file with `tonne apply`.")
    return Membership(stated=stated[0], members=stated[0].members(now.astimezone(UTC).date()))
