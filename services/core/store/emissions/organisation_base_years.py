"""Figures of base years of organisations: recalculated where facilities or their figures move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import psycopg

from services.core.accounting.pathway.base_year import is_replaced
from services.core.facility.model import ScopePath
from services.core.store.emissions import base_years
from services.core.store.emissions.base_years import PathFacility
from services.core.store.packing import opened
from services.core.store.registry.organisations import (
    StatedOrganisation,
    changed_members,
    stated_organisations,
)

_UG_PER_KG: Final = 1_000_000_000
_FIRST: Final = "first figure: the year is over and all its hours are closed"

_NOWHERE: Final[Mapping[Any, Any]] = MappingProxyType({})

#: Another cell's aggregator waits for it.
_PATIENCE: Final = "SET LOCAL statement_timeout = '15s'"

#: Of one that is purged nobody knows what it was.
_FACILITIES: Final = """
SELECT slug, id, timezone FROM facility f WHERE slug = ANY(%(slugs)s) AND NOT EXISTS (
    SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""

_ADD: Final = """
INSERT INTO organisation_base_figure
    (organisation_id, scope, figure, year, known_at, ug, facilities, cause)
VALUES (%(organisation)s, %(scope)s, %(figure)s, %(year)s, %(known_at)s, %(ug)s, %(facilities)s,
        %(cause)s)
ON CONFLICT DO NOTHING
"""


class MemberYear(NamedTuple):
    """The base year of one path, of one facility of an organisation."""

    facility: str
    scope: int
    figure: str
    year: int


#: What is known of base years of facilities; None: the year is not closed, or nothing is. A
#: facility that is not there has none of them.
KnownYears = Mapping[MemberYear, int | None]


def recalculate_organisations(
    connection: psycopg.Connection[Any], now: datetime, elsewhere: KnownYears = _NOWHERE
) -> list[str]:
    """Add a version of each base year that needs one; return a sentence for each that was added.

    The figure is the sum of the facilities that belong to the organisation today, in all of the
    base year: what an acquired facility emitted then is in it (GHG Protocol Corporate Standard,
    chapter 5). It waits until the year of each of them is closed. ``elsewhere``: of those that live
    in other cells.
    """
    added: list[str] = []
    with opened.snapshot(connection):
        for organisation, path in _measured_paths(connection):
            added += _recalculate(connection, organisation, path, elsewhere, now)
    return added


def members_elsewhere(
    connection: psycopg.Connection[Any], now: datetime
) -> dict[str, list[tuple[str, ScopePath]]]:
    """Return, by organisation, the facilities and paths of whose base year this cell has nothing.

    A figure without one of them would be another's: it waits.
    """
    lacking: dict[str, list[tuple[str, ScopePath]]] = {}
    for organisation, path in _measured_paths(connection):
        members = _members(organisation, path, now)
        present = {slug for slug, _ in _present(connection, members)}
        for slug in members:
            if slug not in present:
                name = organisation.file.organisation.id
                lacking.setdefault(name, []).append((slug, path))
    return lacking


def known_years(
    connection: psycopg.Connection[Any],
    asked: Iterable[tuple[str, ScopePath]],
    now: datetime,
) -> KnownYears:
    """Read what is known of base years of the facilities that live in this cell."""
    paths = list(asked)
    with opened.snapshot(connection):
        connection.execute(_PATIENCE)
        present = dict(_present(connection, [slug for slug, _ in paths]))
        return {
            _year(slug, path): base_years.known_ug(connection, present[slug], path, now)
            for slug, path in paths
            if slug in present
        }


def _measured_paths(
    connection: psycopg.Connection[Any],
) -> Iterator[tuple[StatedOrganisation, ScopePath]]:
    """Yield the paths whose base year is of what was measured."""
    for organisation in stated_organisations(connection, None, None):
        for path in organisation.file.pathway:
            if path.base.tonnes is None:
                yield organisation, path


def _members(organisation: StatedOrganisation, path: ScopePath, now: datetime) -> list[str]:
    members = organisation.members(now.date())
    return [slug for slug, member in members.items() if member.was_there(path.base.year)]


def _present(
    connection: psycopg.Connection[Any], slugs: Sequence[str]
) -> list[tuple[str, PathFacility]]:
    return [
        (slug, PathFacility(id=id_, timezone=zone))
        for slug, id_, zone in connection.execute(_FACILITIES, {"slugs": list(slugs)})
    ]


def _year(facility: str, path: ScopePath) -> MemberYear:
    return MemberYear(facility, path.scope, path.figure, path.base.year)


def _recalculate(
    connection: psycopg.Connection[Any],
    organisation: StatedOrganisation,
    path: ScopePath,
    elsewhere: KnownYears,
    now: datetime,
) -> Iterator[str]:
    year, members = path.base.year, _members(organisation, path, now)
    present = dict(_present(connection, members))
    of_members = [
        base_years.known_ug(connection, present[slug], path, now)
        if slug in present
        else elsewhere.get(_year(slug, path))
        for slug in members
    ]
    if not of_members or None in of_members:
        return
    known_ug = sum(mass for mass in of_members if mass is not None)
    before = organisation.measured.get((path.scope, path.figure, year))
    known_kg = known_ug / _UG_PER_KG
    percent = path.base.recalculate_at
    if not is_replaced(None if before is None else before.kg, known_kg, percent=percent):
        return
    cause = _FIRST
    if before is not None:
        cause = changed_members(before.facilities, members) or "figures of its facilities changed"
        if before.kg:
            cause = f"{(known_kg / before.kg - 1) * 100:+.1f} %: {cause}"
    connection.execute(
        _ADD,
        {
            "organisation": organisation.id,
            "scope": path.scope,
            "figure": path.figure,
            "year": year,
            "known_at": now,
            "ug": known_ug,
            "facilities": members,
            "cause": cause,
        },
    )
    slug = organisation.file.organisation.id
    yield f"base year {year} of {slug}, scope {path.scope}: {known_ug / 1e12:.3f} t; {cause}"
