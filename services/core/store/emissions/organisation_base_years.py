"""Figures of base years of organisations: recalculated where facilities or their figures move."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

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

_FACILITIES: Final = "SELECT slug, id, timezone FROM facility WHERE slug = ANY(%(slugs)s)"

_ADD: Final = """
INSERT INTO organisation_base_figure
    (organisation_id, scope, figure, year, known_at, ug, facilities, cause)
VALUES (%(organisation)s, %(scope)s, %(figure)s, %(year)s, %(known_at)s, %(ug)s, %(facilities)s,
        %(cause)s)
ON CONFLICT DO NOTHING
"""


def recalculate_organisations(connection: psycopg.Connection[Any], now: datetime) -> list[str]:
    """Add a version of each base year that needs one; return a sentence for each that was added.

    The figure is the sum of the facilities that belong to the organisation today, in all of the
    base year: what an acquired facility emitted then is in it (GHG Protocol Corporate Standard,
    chapter 5). It waits until the year of each of them is closed.
    """
    added: list[str] = []
    with opened.snapshot(connection):
        for organisation in stated_organisations(connection, None, None):
            for path in organisation.file.pathway:
                if path.base.tonnes is None:
                    added += _recalculate(connection, organisation, path, now)
    return added


def _recalculate(
    connection: psycopg.Connection[Any],
    organisation: StatedOrganisation,
    path: ScopePath,
    now: datetime,
) -> Iterator[str]:
    year = path.base.year
    members = [
        member.id
        for member in organisation.file.facilities
        if member.belongs(now.date()) and member.was_there(year)
    ]
    facilities = connection.execute(_FACILITIES, {"slugs": members}).fetchall()
    of_members = [
        base_years.known_ug(connection, PathFacility(id=id_, timezone=zone), path, now)
        for _, id_, zone in facilities
    ]
    # one that lives in another cell, or nowhere, is missing: a figure without it is another's
    if not of_members or len(of_members) < len(members) or None in of_members:
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
