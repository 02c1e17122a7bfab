"""Months out of the archive into the database again, each day under the digest it left with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import psycopg

from services.core.store.readings.archive import month_file, removal
from services.core.store.readings.archive.calendar import month_of
from services.core.store.readings.archive.month_file import UnusableFileError
from services.core.store.readings.archive.months import ArchivedChannel, ArchiveFile
from services.core.store.readings.archive.places import Place
from services.core.store.readings.archive.spans import leaving
from services.core.store.readings.archive.write import Progress
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.columns import ReadingColumns, digest

_DIGESTS: Final = """
SELECT day, days, digest, readings FROM packed_readings
WHERE channel_id = %s AND day = ANY(%s) AND series IS NULL
"""

_RESTORE: Final = "SELECT restore_archived(%s, %s, %s, %s, %s)"

#: Days that are restored in one transaction.
_AT_ONCE: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """A packed row whose readings have to come back: a run of days from one on."""

    channel: ArchivedChannel
    day: int
    days: int
    digest: bytes


#: What has to come back, by month.
_Wanted = dict[date, list[_Run]]


def missing(
    connection: psycopg.Connection[Any],
    facility_id: int,
    channels: Sequence[ArchivedChannel],
    staying: date,
) -> tuple[_Wanted, int]:
    """Find what has to come back so that a month stays, and how many readings those are.

    All of the month, and of the days around what the month is computed with.
    """
    known = removal.archived_months(connection, facility_id)
    removed = known.removed - {staying}
    wanted: _Wanted = {}
    readings = 0
    for channel in channels:
        days = removal.stored_days(connection, channel.id)
        plan = leaving(days, removed, known.archived)
        back = [day.day for day in days if not day.present and day.day not in plan.days]
        for day, its_days, its_digest, count in connection.execute(_DIGESTS, (channel.id, back)):
            run = _Run(channel=channel, day=day, days=its_days, digest=its_digest)
            wanted.setdefault(month_of(day), []).append(run)
            readings += count
    return wanted, readings


def bring_back(
    connection: psycopg.Connection[Any],
    wanted: _Wanted,
    files: Sequence[ArchiveFile],
    place_of: Callable[[ArchiveFile], Place],
    progress: Progress,
) -> None:
    """Bring days back from the files of one facility.

    :raises PlaceError: a file cannot be read.
    :raises UnusableFileError: a file does not hold what was archived; the days before are back.
    """
    by_month = {file.month: file for file in files}
    for month, runs in sorted(wanted.items()):
        file = by_month.get(month)
        if file is None:
            raise UnusableFileError(f"the database knows no archive of {month:%Y-%m}")
        batch: list[tuple[Any, ...]] = []
        for row in _rows(place_of(file), file, runs, progress):
            batch.append(row)
            if len(batch) == _AT_ONCE:
                _store(connection, batch)
                batch = []
        _store(connection, batch)


def _rows(
    place: Place,
    file: ArchiveFile,
    runs: Sequence[_Run],
    progress: Progress,
) -> Iterator[tuple[Any, ...]]:
    run_of = {
        (run.channel.device, run.channel.channel, day): run
        for run in runs
        for day in range(run.day, run.day + run.days)
    }
    missing_runs = {(run.channel, run.day) for run in runs}
    name = f"{place.name}/{file.path}"
    with place.open(file.path) as source:
        bounds = (min(day for _, _, day in run_of), max(day for _, _, day in run_of))
        days = month_file.read(source, name, bounds)
        for run, its_days in groupby(days, key=lambda day: run_of.get(day[:3])):
            if run is None:
                continue
            readings = ReadingColumns.joined([of_day for *_, of_day in its_days])
            missing_runs.discard((run.channel, run.day))
            yield (run.channel.id, run.day, run.digest, *_packed(file, run, readings))
            progress(len(readings))
            if not missing_runs:
                return
    channel, _ = min(missing_runs)
    raise UnusableFileError(
        f"{name} lacks readings of {channel.device}.{channel.channel} that were archived;"
        " see `tonne archive verify`"
    )


def _packed(file: ArchiveFile, run: _Run, readings: ReadingColumns) -> tuple[bytes, bytes]:
    if digest(readings.sent()) != run.digest:
        raise UnusableFileError(
            f"the readings of {run.channel.device}.{run.channel.channel} in"
            f" {file.place}/{file.path} are not those that were archived; bring that file back"
            " from a backup"
        )
    return codec.pack(readings)


def _store(connection: psycopg.Connection[Any], batch: Sequence[tuple[Any, ...]]) -> None:
    if batch:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_RESTORE, batch)
