"""Paths to net zero: kept with every change, and read as they were known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, select

from services.core.accounting.pathway.paths import Path
from services.core.facility.model import FacilityFile, ScopePath, spec
from services.core.facility.pathway import T_KG
from services.core.store.registry import revisions
from services.core.store.schema.pathway_tables import pathway_revision

_UG_PER_KG: Final = 1e9

_REVISIONS: Final = """
SELECT facility_id, known_at, spec FROM pathway_revision
WHERE facility_id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY facility_id, known_at
"""

_FIGURES: Final = """
SELECT facility_id, scope, figure, year, known_at, ug, cause FROM base_year_figure
WHERE facility_id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY facility_id, known_at
"""

#: The cause of a stated base without a citation.
STATED: Final = "stated"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseFigure:
    """A version of the figure of a base year."""

    #: counted from 1; a path of another year or figure begins anew
    version: int
    kg: float
    known_at: datetime
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedPath:
    """A path of one scope of a facility, and the base year that it is computed from."""

    facility_id: int
    spec: ScopePath
    #: None: nothing is known of the base year yet
    base: BaseFigure | None

    @property
    def path(self) -> Path | None:
        """Return the allowances; None: without a base there are none."""
        return None if self.base is None else self.spec.path(self.base.kg)


def keep(connection: Connection, facility_id: int, file: FacilityFile, changes: list[str]) -> None:
    """Add what the file states of paths, known from now on, where it differs from before.

    ``changes`` gets a line for each path that is new, changes or goes.
    """
    stated = [spec(path) for path in file.pathway]
    before = (
        connection.scalar(
            select(pathway_revision.c.spec)
            .where(pathway_revision.c.facility_id == facility_id)
            .order_by(pathway_revision.c.known_at.desc())
            .limit(1)
        )
        or []
    )
    if stated == before:
        return
    revisions.keep(connection, pathway_revision, facility_id, stated)
    old, new = ({path["scope"]: path for path in paths} for paths in (before, stated))
    for scope, path in new.items():
        if path != old.get(scope):
            sign = "~" if scope in old else "+"
            changes.append(f"{sign} path of scope {scope}: {path['policy']}")
    changes += [f"- path of scope {scope}" for scope in old if scope not in new]


def stated_paths(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int], as_of: datetime | None
) -> list[StatedPath]:
    """Read the paths of facilities, by facility and scope; ``as_of``: as known then, None: now."""
    asked = {"facilities": list(facility_ids), "as_of": as_of}
    revisions_of: dict[int, list[tuple[datetime, list[ScopePath]]]] = {}
    for facility_id, known_at, parts in connection.execute(_REVISIONS, asked):
        paths = [ScopePath.model_validate(part) for part in parts]
        revisions_of.setdefault(facility_id, []).append((known_at, paths))
    measured: dict[tuple[int, int, str, int], BaseFigure] = {}
    for facility_id, scope, figure, year, known_at, ug, cause in connection.execute(
        _FIGURES, asked
    ):
        key = (facility_id, scope, figure, year)
        measured[key] = _next(measured.get(key), float(ug) / _UG_PER_KG, known_at, cause)
    return [
        StatedPath(
            facility_id=facility_id,
            spec=path,
            base=measured.get((facility_id, path.scope, path.figure, path.base.year))
            if path.base.tonnes is None
            else _stated_base(of_facility, path),
        )
        for facility_id, of_facility in revisions_of.items()
        for path in sorted(of_facility[-1][1], key=lambda path: path.scope)
    ]


def _stated_base(
    history: Sequence[tuple[datetime, Sequence[ScopePath]]], path: ScopePath
) -> BaseFigure | None:
    """Return the base that is stated now, with the version that it is of those stated before."""
    base: BaseFigure | None = None
    for known_at, paths in history:
        for earlier in paths:
            tonnes = earlier.base.tonnes
            if _subject(earlier) != _subject(path) or tonnes is None:
                continue
            if base is None or base.kg != tonnes * T_KG:
                base = _next(base, tonnes * T_KG, known_at, earlier.base.citation or STATED)
    return base


def _subject(path: ScopePath) -> Mapping[str, Any]:
    return {"scope": path.scope, "figure": path.figure, "year": path.base.year}


def _next(before: BaseFigure | None, kg: float, known_at: datetime, cause: str) -> BaseFigure:
    version = 1 if before is None else before.version + 1
    return BaseFigure(version=version, kg=kg, known_at=known_at, cause=cause)
