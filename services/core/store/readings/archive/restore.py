"""Months out of the archive into the database again, each day under the digest it left with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
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
SELECT day, digest, readings FROM packed_readings
WHERE channel_id = %s AND day = ANY(%s) AND series IS NULL
"""

_RESTORE: Final = "SELECT restore_archived(%s, %s, %s, %s, %s)"

#: Days that are restored in one transaction.
_AT_ONCE: Final = 200

#: What has to come back, by month: channel, device and day, with the digest.
_Wanted = dict[date, dict[tuple[str, str, int], tuple[int, bytes]]]


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
        for day, its_digest, count in connection.execute(_DIGESTS, (channel.id, back)):
            key = (channel.device, channel.channel, day)
            wanted.setdefault(month_of(day), {})[key] = (channel.id, its_digest)
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
    for month, of_month in sorted(wanted.items()):
        file = by_month.get(month)
        if file is None:
            raise UnusableFileError(f"the database knows no archive of {month:%Y-%m}")
        batch: list[tuple[Any, ...]] = []
        for row in _rows(place_of(file), file, dict(of_month), progress):
            batch.append(row)
            if len(batch) == _AT_ONCE:
                _store(connection, batch)
                batch = []
        _store(connection, batch)


def _rows(
    place: Place,
    file: ArchiveFile,
    wanted: dict[tuple[str, str, int], tuple[int, bytes]],
    progress: Progress,
) -> Iterator[tuple[Any, ...]]:
    days = [day for _, _, day in wanted]
    name = f"{place.name}/{file.path}"
    with place.open(file.path) as source:
        bounds = (min(days), max(days))
        for device, channel, day, readings in month_file.read(source, name, bounds):
            channel_id, its_digest = wanted.pop((device, channel, day), (None, b""))
            if channel_id is None:
                continue
            yield (
                channel_id,
                day,
                its_digest,
                *_packed(file, device, channel, readings, its_digest),
            )
            progress(len(readings))
            if not wanted:
                return
    device, channel, _ = min(wanted)
    raise UnusableFileError(
        f"{name} lacks readings of {device}.{channel} that were archived;"
        " see `tonne archive verify`"
    )


def _packed(
    file: ArchiveFile, device: str, channel: str, readings: ReadingColumns, its_digest: bytes
) -> tuple[bytes, bytes]:
    if digest(readings.sent()) != its_digest:
        raise UnusableFileError(
            f"the readings of {device}.{channel} in {file.place}/{file.path} are not those that"
            " were archived; bring that file back from a backup"
        )
    return codec.pack(readings)


def _store(connection: psycopg.Connection[Any], batch: Sequence[tuple[Any, ...]]) -> None:
    if batch:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_RESTORE, batch)
