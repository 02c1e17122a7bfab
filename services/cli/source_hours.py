"""Instants, facilities and hours of sources on the command line, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from services.cli.errors import failure
from services.core.runtime.clock import SystemClock
from services.core.store.emissions import final_hours
from services.core.store.emissions.final_hours import StoredSource
from services.core.timeline import relative


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHours:
    """Hours of a source, both ends inclusive."""

    source: StoredSource
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def instant(option: str, written: str | None) -> datetime | None:
    """Read a time option; None: it was not given."""
    if written is None:
        return None
    try:
        return relative.read(written, now=SystemClock().now(), is_end=option == "--to")
    except ValueError as error:
        raise failure(f"{option}: {error}") from None


def in_order(begins: datetime | None, ends: datetime | None) -> None:
    """Refuse a span that is reversed or empty."""
    try:
        relative.in_order(begins, ends)
    except ValueError as error:
        raise failure(str(error)) from None


def sources(
    connection: psycopg.Connection[Any],
    facilities: Sequence[str] | None,
    *,
    deleted: Sequence[str] = (),
) -> list[StoredSource]:
    """Read the sources of the facilities; None: all. Those that are being deleted have none."""
    sources = final_hours.sources(connection, facilities)
    unknown = sorted(set(facilities or ()) - {source.facility for source in sources} - {*deleted})
    if unknown:
        raise failure(
            f"there is no facility {', '.join(unknown)} with sources; create it with `tonne apply`"
        )
    return sources


def bounds(
    connection: psycopg.Connection[Any],
    chosen: Sequence[StoredSource],
    since: datetime | None,
    until: datetime | None,
) -> list[SourceHours]:
    """Find the hours in the span of which anything is stored, by source."""
    in_order(since, until)
    hours = []
    for source in chosen:
        stored = final_hours.bounds(connection, source.source_id, since, until)
        if stored is not None:
            hours.append(SourceHours(source=source, first=stored[0], last=stored[1]))
    return hours
