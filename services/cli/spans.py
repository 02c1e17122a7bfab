"""The facilities and the span of time that an administrator names, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from services.cli.errors import failure
from services.core.store.emissions import final_hours
from services.core.store.emissions.final_hours import StoredSource


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHours:
    """Hours of a source, both ends included, and how many of them are stored."""

    of: StoredSource
    first: int
    last: int
    count: int


def instant(option: str, said: str | None) -> datetime | None:
    """The time that was given, with its offset."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise failure(f"{option} takes a time with an offset, as 2026-11-22T18:00:00Z")
    return found


def sources(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[StoredSource]:
    """The sources of the facilities, None: of all."""
    found = final_hours.sources(connection, facilities)
    unknown = sorted(set(facilities or ()) - {each.facility for each in found})
    if unknown:
        raise failure(
            f"there is no facility {', '.join(unknown)} with sources; `tonne apply` makes one"
        )
    return found


def extents(
    connection: psycopg.Connection[Any],
    chosen: Sequence[StoredSource],
    since: datetime | None,
    until: datetime | None,
    *,
    final: bool,
) -> list[SourceHours]:
    """Where the sources have hours that begin in the span; with ``final`` only such hours count."""
    if since is not None and until is not None and since >= until:
        raise failure("--to must be later than --from")
    found = []
    for of in chosen:
        extent = final_hours.extent(connection, of.source_id, since, until, final=final)
        if extent is not None:
            found.append(SourceHours(of=of, first=extent[0], last=extent[1], count=extent[2]))
    return found
