"""Paths of organisations: what their facilities emitted, under one path and one base year."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.api.auth import Principal
from services.api.context import Context
from services.api.routes.organisation_members import OrganisationMembers, organisation_members
from services.api.routes.pathway_groups import ScopeStanding, standing
from services.api.routes.pathway_reading import ScopeReading, readings
from services.core.accounting.pathway.balance import Removed
from services.core.accounting.pathway.days import KnownMass
from services.core.accounting.pathway.progress import least_share, sum_of_known
from services.core.accounting.pathway.standing import Moment, actual_years, progress
from services.core.facility.organisation import Member
from services.core.facility.pathway import T_KG
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.paths import member_paths
from services.core.store.registry.organisations import Membership, StatedOrganisation
from services.core.store.registry.pathways import StatedPath


async def organisation_readings(
    context: Context,
    who: Principal,
    slug: str,
    *,
    scope: int | None,
    now: datetime,
    as_of: datetime | None,
) -> tuple[OrganisationMembers, list[ScopeStanding]]:
    """Read what the facilities of an organisation emitted in the scopes of its paths.

    :raises NotFound: there is none, or the key does not see all of its facilities.
    """
    members = await organisation_members(context, who, slug, now=now, as_of=as_of)
    facilities = members.facilities
    if not facilities:
        return members, []
    paths = members.membership.stated.file.pathway
    specs = [
        path.model_copy(update={"actual": ()}) for path in paths if scope in {None, path.scope}
    ]
    ids = [facility.id for facility in facilities]
    of_members = await context.database.read_in_thread(lambda c: member_paths(c, ids, specs, as_of))
    async with context.database.read() as connection:
        read = await readings(context, connection, facilities, of_members, now, as_of=as_of)
    return members, [standing(reading) for reading in read]


def organisation_standing(membership: Membership, parts: Sequence[ScopeStanding]) -> ScopeStanding:
    """Compare what all facilities of an organisation emitted in a scope with its path."""
    organisation = membership.stated
    scope = parts[0].reading.stated.spec.scope
    path = next(path for path in organisation.file.pathway if path.scope == scope)
    year = min(part.reading.now.year for part in parts)
    elapsed = max(part.reading.now.elapsed for part in parts if part.reading.now.year == year)
    now = Moment(year=year, elapsed=elapsed)
    years = range(path.base.year + 1, year + 1)
    measured = {
        y: mass for y in years if (mass := _of_year(parts, membership.members, y)) is not None
    }
    actual = actual_years(years, measured, {a.year: a.tonnes * T_KG for a in path.actual}, now)
    base = organisation.base(path)
    allowances = None if base is None else path.path(base.kg)
    sums = [
        (None, None) if part.reading.days is None else part.reading.days.newest_sums()
        for part in parts
    ]
    rate = sum_of_known(part.reading.rate_kg_day for part in parts)
    return ScopeStanding(
        reading=ScopeReading(
            facility=_row(organisation, [part.reading.facility for part in parts]),
            stated=StatedPath(facility_id=0, spec=path, base=base),
            now=now,
            days=None,
            rate_kg_day=rate,
            rate_known_share=least_share(part.reading.rate_known_share for part in parts),
            silent=tuple(
                f"{part.reading.facility.slug}.{name}"
                for part in parts
                for name in part.reading.silent
            ),
            removed=_removed(parts, years),
        ),
        path=allowances,
        actual=actual,
        progress=None
        if allowances is None
        else progress(
            allowances,
            actual,
            now,
            rate_kg_day=rate,
            newest_365d_kg=sum_of_known(newest for newest, _ in sums),
            before_365d_kg=sum_of_known(before for _, before in sums),
        ),
    )


def _of_year(
    parts: Sequence[ScopeStanding], members: Mapping[str, Member], year: int
) -> KnownMass | None:
    """Add up what is known of a year of those that were there; None: of one nothing is."""
    present = [part for part in parts if members[part.reading.facility.slug].was_there(year)]
    known = [part.actual[year] for part in present if year in part.actual]
    if len(known) < len(present):
        return None
    return KnownMass(
        kg=math.fsum(mass.kg for mass in known),
        known_share=least_share(mass.known_share for mass in known) or 0.0 if known else 1.0,
        # facilities may share factors
        half_kg=sum_of_known(mass.half_kg for mass in known),
    )


def _removed(parts: Sequence[ScopeStanding], years: Sequence[int]) -> dict[int, Removed]:
    of_years = {y: [part.reading.removed.get(y, Removed()) for part in parts] for y in years}
    return {
        y: Removed(
            removed_kg=math.fsum(one.removed_kg for one in removed),
            permanent_kg=math.fsum(one.permanent_kg for one in removed),
            credits_kg=math.fsum(one.credits_kg for one in removed),
        )
        for y, removed in of_years.items()
    }


def _row(organisation: StatedOrganisation, facilities: Sequence[FacilityRow]) -> FacilityRow:
    return FacilityRow(
        id=0,
        slug=" ".join(facility.slug for facility in facilities),
        name=organisation.file.organisation.name,
        timezone=facilities[0].timezone,
    )
