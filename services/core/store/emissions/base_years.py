"""Figures of base years out of what is stored: recalculated where restatements move them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, LiteralString
from zoneinfo import ZoneInfo

import psycopg

from services.core.accounting.pathway.base_year import is_replaced as is_base_replaced
from services.core.facility.model import ScopePath
from services.core.store.emissions import hour_history, stored_sums
from services.core.store.packing import opened
from services.core.store.registry import pathways
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.figures import MASSES
from services.core.timeline import local_days
from services.core.timeline.instants import HOUR

_UG_PER_KG: Final = 1_000_000_000
_FIRST: Final = "first figure: the year is over and all its hours are closed"

_FACILITIES: Final = """
SELECT f.id, f.timezone FROM facility f
WHERE f.retired_at IS NULL AND EXISTS (SELECT FROM pathway_revision p WHERE p.facility_id = f.id)
ORDER BY f.id
"""

# What counts in a scope: not what removes or only checks another source, nor what an active source
# counts in place of one that is retired.
_COUNTED: LiteralString = f"""
SELECT s.id FROM source s
WHERE s.facility_id = %(facility)s AND s.scope = %(scope)s AND NOT {is_replaced()}
  AND NOT s.spec ? 'removal'
  AND NOT EXISTS (SELECT FROM source o WHERE o.facility_id = s.facility_id AND o.active
                  AND o.spec ->> 'check' = s.slug)
ORDER BY s.id
"""  # noqa: S608 - constants

_IS_WAITING: Final = """
SELECT EXISTS (SELECT FROM recompute r WHERE r.facility_id = %(facility)s
               AND minute_start(r.from_minute) < %(last)s AND minute_start(r.to_minute) > %(first)s)
"""

_SUM: LiteralString = """
SELECT sum({mass}) FROM emission_month
WHERE source_id = ANY(%(sources)s) AND begins >= %(first)s AND begins < %(last)s
HAVING sum(known_hours) > 0
"""

_CAUSES: Final = """
SELECT reason, count(*) FROM emission_hour
WHERE source_id = ANY(%(sources)s) AND hour >= %(first)s AND hour < %(last)s
  AND known_at > %(since)s
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3
"""

_ADD: Final = """
INSERT INTO base_year_figure (facility_id, scope, figure, year, known_at, ug, cause)
VALUES (%(facility)s, %(scope)s, %(figure)s, %(year)s, %(known_at)s, %(ug)s, %(cause)s)
ON CONFLICT DO NOTHING
"""

_SUMS: Final[Mapping[str, str]] = {mass.stem: _SUM.format(mass=mass.name) for mass in MASSES}


@dataclass(frozen=True, kw_only=True, slots=True)
class PathFacility:
    """A facility that has stated a path, now or before."""

    id: int
    timezone: str


def facilities(connection: psycopg.Connection[Any]) -> list[PathFacility]:
    """Read the facilities whose base years may have to be recalculated."""
    return [
        PathFacility(id=facility_id, timezone=timezone)
        for facility_id, timezone in connection.execute(_FACILITIES)
    ]


def local_year(year: int, timezone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a calendar year, and the first after it."""
    zone = ZoneInfo(timezone)
    first, last = (datetime(y, 1, 1, tzinfo=zone).astimezone(UTC) for y in (year, year + 1))
    return first, last


def recalculate(
    connection: psycopg.Connection[Any], facility: PathFacility, now: datetime
) -> list[str]:
    """Add a version of each base year that needs one; return a sentence for each that was added.

    A base year whose figure is stated needs none. One of tonne's own data gets its first version
    once the year is over, and the sums of all its months are stored; then whenever what is known of
    the year has moved by the percentage that the file states. While a restatement is under way
    nothing is added.
    """
    added = []
    with opened.snapshot(connection):
        for stated in pathways.stated_paths(connection, [facility.id], None):
            if stated.spec.base.tonnes is None:
                sentence = _recalculate(connection, facility, stated, now)
                added += [] if sentence is None else [sentence]
    return added


def _recalculate(
    connection: psycopg.Connection[Any],
    facility: PathFacility,
    stated: pathways.StatedPath,
    now: datetime,
) -> str | None:
    path = stated.spec
    known = known_ug(connection, facility, path, now)
    if known is None:
        return None
    before = stated.base
    in_force_kg = None if before is None else before.kg
    if not is_base_replaced(in_force_kg, known / _UG_PER_KG, percent=path.base.recalculate_at):
        return None
    cause = (
        _FIRST
        if before is None
        else _cause(connection, _asked(connection, facility, path), before, known)
    )
    connection.execute(
        _ADD,
        {
            "facility": facility.id,
            "scope": path.scope,
            "figure": path.figure,
            "year": path.base.year,
            "known_at": now,
            "ug": known,
            "cause": cause,
        },
    )
    return f"base year {path.base.year} of scope {path.scope}: {known / 1e12:.3f} t; {cause}"


def known_ug(
    connection: psycopg.Connection[Any], facility: PathFacility, path: ScopePath, now: datetime
) -> int | None:
    """Return what is known of a facility's base year; None: it is not closed, or nothing is."""
    asked = _asked(connection, facility, path)
    first, last = asked["first"], asked["last"]
    if now < last:
        return None
    months = list(local_days.months(ZoneInfo(facility.timezone), first, last - HOUR))
    if stored_sums.incomplete(connection, facility.id, months) or connection.execute(
        _IS_WAITING, asked
    ).fetchone() != (False,):
        return None
    row = connection.execute(_SUMS[path.figure], asked).fetchone()
    return None if row is None else int(row[0])


def _asked(
    connection: psycopg.Connection[Any], facility: PathFacility, path: ScopePath
) -> dict[str, Any]:
    first, last = local_year(path.base.year, facility.timezone)
    return {
        "facility": facility.id,
        "first": first,
        "last": last,
        "sources": _sources(connection, path, facility),
    }


def _sources(
    connection: psycopg.Connection[Any], path: ScopePath, facility: PathFacility
) -> list[int]:
    asked = {"facility": facility.id, "scope": path.scope}
    return [row[0] for row in connection.execute(_COUNTED, asked)]


def _cause(
    connection: psycopg.Connection[Any],
    asked: Mapping[str, Any],
    before: pathways.BaseFigure,
    known_ug: int,
) -> str:
    hour_history.open_span(
        connection, asked["sources"], asked["first"], asked["last"], known_after=before.known_at
    )
    rows = connection.execute(_CAUSES, {**asked, "since": before.known_at}).fetchall()
    reasons = "; ".join(f"{reason} ({hours} hours)" for reason, hours in rows)
    moved = "" if not before.kg else f"{(known_ug / _UG_PER_KG / before.kg - 1) * 100:+.1f} %: "
    return moved + (reasons or "other sources count in the scope")
