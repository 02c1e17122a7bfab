"""Which months of packed readings there are, and what of them is archived."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.rows import class_row

from services.core.store.database import locks
from services.core.store.readings.archive.calendar import first_day, month_after

_MONTHS: Final = """
SELECT f.id AS facility_id, f.slug AS facility, m.month,
       sum(m.days)::int8 AS days, coalesce(sum(m.unarchived), 0)::int8 AS unarchived,
       sum(m.readings)::int8 AS readings
FROM facility f JOIN device d ON d.facility_id = f.id JOIN channel c ON c.device_id = d.id
CROSS JOIN LATERAL (
    SELECT date_trunc('month', minute_start(1440 * p.day::int8) AT TIME ZONE 'UTC')::date AS month,
           sum(p.days) AS days, sum(p.days) FILTER (WHERE NOT p.archived) AS unarchived,
           sum(p.readings) AS readings
    FROM packed_readings p WHERE p.channel_id = c.id GROUP BY 1) m
WHERE %(facilities)s::text[] IS NULL OR f.slug = ANY(%(facilities)s)
GROUP BY 1, 2, 3 ORDER BY 2, 3
"""

_FILES: Final = """
SELECT a.facility_id, f.slug AS facility, a.month, a.place, a.path, a.bytes AS size, a.sha256,
       a.readings, a.days, a.tonne, a.archived_at, a.removed_at
FROM archive_file a JOIN facility f ON f.id = a.facility_id
WHERE %(facilities)s::text[] IS NULL OR f.slug = ANY(%(facilities)s)
ORDER BY f.slug, a.month
"""

_CHANNELS: Final = """
SELECT d.slug AS device, c.slug AS channel, c.unit, c.id
FROM channel c JOIN device d ON d.id = c.device_id WHERE d.facility_id = %s
"""

#: One statement, so that a row is as its digest says.
_ROWS: Final = """
SELECT day, days, readings, digest, series, arrival FROM packed_readings
WHERE channel_id = %s AND day >= %s AND day < %s ORDER BY day
"""

_NOTE: Final = """
SELECT note_archive(%(facility)s, %(month)s, %(place)s, %(path)s, %(bytes)s, %(sha256)s,
                    %(readings)s, %(days)s, %(tonne)s, %(channels)s::int4[],
                    %(firsts)s::int4[], %(digests)s)
"""

_FACILITIES: Final = "SELECT slug FROM facility"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedMonth:
    """What a facility has packed of a month, in UTC."""

    facility_id: int
    facility: str
    #: its first day
    month: date
    #: days of channels, with those without readings within a run
    days: int
    #: those that no file holds as they are
    unarchived: int
    readings: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFile:
    """A month's file as the database knows it."""

    facility_id: int
    facility: str
    month: date
    place: str
    path: str
    size: int
    sha256: bytes
    readings: int
    days: int
    tonne: str
    archived_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ArchivedChannel:
    """A channel as a file names it; the unit is that of its values."""

    device: str
    channel: str
    unit: str
    id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldDay:
    """A day of a channel as a file holds it."""

    day: int
    readings: int
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedRun(HeldDay):
    """A packed row: a run of days from its day on; readings and digest are of all of them."""

    days: int
    #: None: in the archive alone
    series: bytes | None = field(repr=False)
    arrival: bytes | None = field(repr=False)


def hold(connection: psycopg.Connection[Any]) -> bool:
    """Have the archive alone until the session ends; False: somebody else has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.ARCHIVE,)).fetchone()
    return bool(row and row[0])


def packed(
    connection: psycopg.Connection[Any], facilities: Collection[str] | None
) -> list[PackedMonth]:
    """List the months of the facilities, None: of all."""
    with connection.cursor(row_factory=class_row(PackedMonth)) as cursor:
        return cursor.execute(_MONTHS, {"facilities": _listed(facilities)}).fetchall()


def files(
    connection: psycopg.Connection[Any], facilities: Collection[str] | None
) -> list[ArchiveFile]:
    """List the files of the facilities, None: of all."""
    with connection.cursor(row_factory=class_row(ArchiveFile)) as cursor:
        return cursor.execute(_FILES, {"facilities": _listed(facilities)}).fetchall()


def unknown(connection: psycopg.Connection[Any], facilities: Collection[str]) -> list[str]:
    """Return those that are no facilities."""
    known = {slug for (slug,) in connection.execute(_FACILITIES)}
    return sorted(set(facilities) - known)


def channels(connection: psycopg.Connection[Any], facility_id: int) -> list[ArchivedChannel]:
    """List the channels of a facility in a file's order, also those that it names no longer."""
    with connection.cursor(row_factory=class_row(ArchivedChannel)) as cursor:
        return sorted(cursor.execute(_CHANNELS, (facility_id,)).fetchall())


def runs(connection: psycopg.Connection[Any], channel_id: int, month: date) -> list[PackedRun]:
    """Read a channel's packed rows of a month, none of which reaches into another."""
    bounds = (channel_id, first_day(month), first_day(month_after(month)))
    with connection.cursor(row_factory=class_row(PackedRun)) as cursor:
        return cursor.execute(_ROWS, bounds, binary=True).fetchall()


def note(
    connection: psycopg.Connection[Any],
    file: Mapping[str, Any],
    runs: Mapping[int, Sequence[HeldDay]],
) -> None:
    """Note that a file holds packed rows of channels; mark those that are as it holds them."""
    rows = [(channel, run) for channel, of_channel in runs.items() for run in of_channel]
    connection.execute(
        _NOTE,
        {
            **file,
            "channels": np.array([channel for channel, _ in rows], dtype=np.int32),
            "firsts": np.array([run.day for _, run in rows], dtype=np.int32),
            "digests": [run.digest for _, run in rows],
        },
    )


def _listed(facilities: Collection[str] | None) -> list[str] | None:
    return None if facilities is None else list(facilities)
