"""Organisations: kept with every change, and read as they were known.

A revision whose file is JSON null says that the organisation was removed: what was known before
stays, and applying its file brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import psycopg
from sqlalchemy import JSON, Connection, Select, select, text
from sqlalchemy.dialects.postgresql import insert

from services.core.facility.model import ScopePath
from services.core.facility.organisation import Member, OrganisationFile
from services.core.facility.pathway import T_KG
from services.core.store.audit.record import record
from services.core.store.registry import revisions
from services.core.store.registry.apply import lock
from services.core.store.registry.pathways import STATED, BaseFigure
from services.core.store.schema.organisation_tables import organisation, organisation_revision
from services.core.store.schema.tables import facility, facility_purge

_UG_PER_KG: Final = 1e9

_REVISIONS: Final = """
SELECT o.id, o.slug, r.known_at, r.spec FROM organisation o
JOIN organisation_revision r ON r.organisation_id = o.id
WHERE (%(slug)s::text IS NULL OR o.slug = %(slug)s)
  AND (%(as_of)s::timestamptz IS NULL OR r.known_at <= %(as_of)s)
ORDER BY o.id, r.known_at
"""

_IN_FORCE: Final = text(
    """
SELECT DISTINCT ON (o.id) o.slug, r.spec FROM organisation o
JOIN organisation_revision r ON r.organisation_id = o.id
ORDER BY o.id, r.known_at DESC
"""
)

_FIGURES: Final = """
SELECT scope, figure, year, known_at, ug, facilities, cause FROM organisation_base_figure
WHERE organisation_id = %(organisation)s
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY known_at
"""


class UnknownFacilityError(ValueError):
    """An organisation names a facility that there is not; the message names it."""


class UnknownOrganisationError(ValueError):
    """There is no such organisation; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SummedFigure(BaseFigure):
    """A version of a base year's figure, and the facilities that it is the sum of."""

    facilities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedOrganisation:
    """An organisation, and the figures of its base years, by scope, figure and year."""

    id: int
    file: OrganisationFile
    #: when this file came into force
    since: datetime
    #: files that it ever had, oldest first
    history: tuple[tuple[datetime, OrganisationFile], ...]
    measured: Mapping[tuple[int, str, int], SummedFigure]

    def base(self, path: ScopePath) -> BaseFigure | None:
        """Return the figure of a path's base year that is in force; None: it is not known."""
        if path.base.tonnes is None:
            return self.measured.get((path.scope, path.figure, path.base.year))
        base: BaseFigure | None = None
        for known_at, file in self.history:
            for earlier in file.pathway:
                tonnes, same = earlier.base.tonnes, (earlier.scope, earlier.figure)
                if tonnes is None or same != (path.scope, path.figure):
                    continue
                if earlier.base.year == path.base.year and (
                    base is None or base.kg != tonnes * T_KG
                ):
                    base = BaseFigure(
                        version=1 if base is None else base.version + 1,
                        kg=tonnes * T_KG,
                        known_at=known_at,
                        cause=earlier.base.citation or STATED,
                    )
        return base

    def members(self, day: date) -> Mapping[str, Member]:
        """Return the facilities that belong to it on a day, by their ids."""
        return {member.id: member for member in self.file.facilities if member.belongs(day)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Membership:
    """An organisation, and who belonged to it when it was asked for."""

    stated: StatedOrganisation
    #: by facility id
    members: Mapping[str, Member]


def apply_organisation(
    connection: Connection,
    file: OrganisationFile,
    *,
    by: str | None = None,
    elsewhere: Collection[str] = (),
) -> list[str]:
    """Write an organisation's file; return a line for each change, none if it was there already.

    ``elsewhere``: facilities that live in other cells.

    :raises UnknownFacilityError: it names a facility that is not registered.
    """
    lock(connection)
    being_purged = select(facility_purge.c.facility).where(facility_purge.c.finished_at.is_(None))
    known = set(
        connection.scalars(select(facility.c.slug).where(~facility.c.slug.in_(being_purged)))
    )
    known.update(elsewhere)
    unknown = [member.id for member in file.facilities if member.id not in known]
    if unknown:
        raise UnknownFacilityError(
            f"there is no facility {unknown[0]}: apply its file first, or leave it out"
        )
    slug = file.organisation.id
    connection.execute(insert(organisation).values(slug=slug).on_conflict_do_nothing())
    organisation_id = connection.scalar(
        select(organisation.c.id).where(organisation.c.slug == slug)
    )
    assert organisation_id is not None  # noqa: S101 - it is inserted above
    after = document(file)
    before = connection.scalar(_newest(organisation_id))
    if before == after:
        return []
    revisions.keep(connection, organisation_revision, organisation_id, after)
    record(connection, "organisation.apply", by=by, subject=slug, before=before, after=after)
    if before is None:
        count = len(file.facilities)
        return [f"+ organisation {slug}: {count} {'facility' if count == 1 else 'facilities'}"]
    old, new = ({member["id"]: member for member in spec["facilities"]} for spec in (before, after))
    return [
        f"~ organisation {slug}",
        *(f"+ facility {name}" for name in new if name not in old),
        *(f"~ facility {name}" for name in new if name in old and old[name] != new[name]),
        *(f"- facility {name}" for name in old if name not in new),
    ]


def document(file: OrganisationFile) -> dict[str, Any]:
    """Return an organisation's file as it is kept; applying it again changes nothing."""
    return file.model_dump(mode="json", by_alias=True, exclude_none=True)


def remove_organisation(
    connection: Connection, slug: str, *, by: str | None, reason: str | None
) -> None:
    """Take an organisation out of force; its facilities, and all that was known of it, stay.

    :raises UnknownOrganisationError: there is none in force.
    """
    lock(connection)
    organisation_id = connection.scalar(
        select(organisation.c.id).where(organisation.c.slug == slug)
    )
    before = None if organisation_id is None else connection.scalar(_newest(organisation_id))
    if organisation_id is None or before is None:
        raise no_organisation(slug)
    revisions.keep(connection, organisation_revision, organisation_id, JSON.NULL)
    record(connection, "organisation.remove", by=by, subject=slug, before=before, reason=reason)


def no_organisation(slug: str) -> UnknownOrganisationError:
    """Return the error that says that there is no such organisation in force."""
    return UnknownOrganisationError(
        f"there is no organisation {slug}; `tonne organisations list` names those there are, and"
        " `tonne apply` brings one in"
    )


def organisations_with(connection: Connection, facility_slug: str, day: date) -> list[str]:
    """Return the organisations in force that a facility has not left on a day."""
    files = {
        slug: OrganisationFile.model_validate(spec)
        for slug, spec in connection.execute(_IN_FORCE)
        if spec is not None
    }
    return sorted(
        slug
        for slug, file in files.items()
        for member in file.facilities
        if member.id == facility_slug and not member.has_left(day)
    )


def _newest(organisation_id: int) -> Select[Any]:
    return (
        select(organisation_revision.c.spec)
        .where(organisation_revision.c.organisation_id == organisation_id)
        .order_by(organisation_revision.c.known_at.desc())
        .limit(1)
    )


def stated_organisations(
    connection: psycopg.Connection[Any], slug: str | None, as_of: datetime | None
) -> list[StatedOrganisation]:
    """Read organisations that are in force (``slug`` None: all).

    ``as_of``: those that were in force then, as they were known; None: now.
    """
    history: dict[int, list[tuple[datetime, OrganisationFile]]] = {}
    in_force: set[int] = set()
    for organisation_id, _, known_at, spec in connection.execute(
        _REVISIONS, {"slug": slug, "as_of": as_of}
    ):
        in_force.discard(organisation_id)
        if spec is not None:
            in_force.add(organisation_id)
            file = OrganisationFile.model_validate(spec)
            history.setdefault(organisation_id, []).append((known_at, file))
    return [
        StatedOrganisation(
            id=organisation_id,
            file=files[-1][1],
            since=files[-1][0],
            history=tuple(files),
            measured=_measured(connection, organisation_id, as_of),
        )
        for organisation_id, files in history.items()
        if organisation_id in in_force
    ]


def _measured(
    connection: psycopg.Connection[Any], organisation_id: int, as_of: datetime | None
) -> dict[tuple[int, str, int], SummedFigure]:
    measured: dict[tuple[int, str, int], SummedFigure] = {}
    rows = connection.execute(_FIGURES, {"organisation": organisation_id, "as_of": as_of})
    for scope, figure, year, known_at, ug, facilities, cause in rows:
        before = measured.get((scope, figure, year))
        measured[scope, figure, year] = SummedFigure(
            version=1 if before is None else before.version + 1,
            kg=float(ug) / _UG_PER_KG,
            known_at=known_at,
            cause=cause,
            facilities=tuple(facilities),
        )
    return measured


def changed_members(before: Sequence[str], after: Sequence[str]) -> str:
    """Say which facilities joined and left; empty: none did."""
    parts = [
        *(f"{name} joined" for name in after if name not in before),
        *(f"{name} left" for name in before if name not in after),
    ]
    return ", ".join(parts)
