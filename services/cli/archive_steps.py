"""What the commands of ``tonne archive`` do: months written and removed, files looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.progress import progress
from services.core.runtime.settings import Settings
from services.core.store.audit.record import record
from services.core.store.database.connect import connect
from services.core.store.packing.days import DamagedDayError
from services.core.store.readings.archive import months, removal
from services.core.store.readings.archive.calendar import month_after
from services.core.store.readings.archive.months import ArchiveFile, PackedMonth
from services.core.store.readings.archive.removal import FacilityBusyError

try:
    from services.core.store.readings.archive import earlier
    from services.core.store.readings.archive import write as writing
    from services.core.store.readings.archive.month_file import UnusableFileError
    from services.core.store.readings.archive.places import Place, PlaceError, place
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "pyarrow":
        raise
    raise failure(
        "archives need pyarrow, which is not installed; install tonne with its extra parquet,"
        ' such as `pip install "tonne[parquet]"`'
    ) from None


OWN_ERRORS: Final = (PlaceError, UnusableFileError, FacilityBusyError, DamagedDayError)

#: Readings that are younger are never packed, however soon packing begins.
_LEAST_DAYS: Final = 3


def written(
    connection: psycopg.Connection[Any],
    settings: Settings,
    target: Place,
    facilities: list[str] | None,
) -> tuple[list[tuple[Any, ...]], bool]:
    """Write the months that are old enough; return rows of the table, and whether one failed."""
    files = {(file.facility_id, file.month): file for file in months.files(connection, facilities)}
    age = timedelta(days=max(settings.pack_after_days, _LEAST_DAYS))
    newest = (datetime.now(UTC) - age).date()
    rows: list[tuple[Any, ...]] = []
    failed = False
    ready = [m for m in months.packed(connection, facilities) if month_after(m.month) <= newest]
    total = sum(m.readings for m in ready)
    with progress("archiving", total) as advance:
        for packed in ready:
            file = files.get((packed.facility_id, packed.month))
            row: tuple[Any, ...]
            if file is not None and _is_current(target, packed, file):
                advance(packed.readings)
                row = (file.path, file.readings, _size(file.size), "is there")
            else:
                try:
                    before = None if file is None else (place_of(settings, file.place), file)
                    done = writing.month(connection, target, packed, before, advance)
                    record(
                        connection,
                        "archive.write",
                        by=process.operator(),
                        facility=packed.facility,
                        subject=done.path,
                        after={"place": target.name, "readings": done.readings},
                    )
                    row = (done.path, done.readings, _size(done.contents.size), "written")
                except OWN_ERRORS as error:
                    failed = True
                    row = ("", packed.readings, "", f"failed: {error}")
            rows.append((packed.facility, f"{packed.month:%Y-%m}", *row))
    return rows, failed


def _is_current(target: Place, packed: PackedMonth, file: ArchiveFile) -> bool:
    """Whether the file holds all of the month as it is, and is where it should be."""
    return (
        packed.unarchived == 0 and file.place == target.name and target.size(file.path) == file.size
    )


def removed(
    connection: psycopg.Connection[Any], files: Sequence[ArchiveFile]
) -> list[tuple[Any, ...]]:
    """Let months leave the database; return rows of the table."""
    rows = []
    for facility_id, facility in dict.fromkeys((f.facility_id, f.facility) for f in files):
        chosen = [file.month for file in files if file.facility_id == facility_id]
        with connection.transaction():
            removal.mark(connection, facility_id, chosen, removed=True)
            record(
                connection,
                "archive.remove",
                by=process.operator(),
                facility=facility,
                subject=" ".join(f"{month:%Y-%m}" for month in chosen),
            )
        channels = [channel.id for channel in months.channels(connection, facility_id)]
        gone = waiting = 0
        with progress(f"removing {facility}", len(channels)) as advance:
            for days in removal.remove(connection, facility_id, channels):
                gone += days or 0
                waiting += days is None
                advance(1)
        rows.append((facility, len(chosen), gone, waiting))
    return rows


def state_of(settings: Settings, file: ArchiveFile) -> str:
    """Return what is to be said of a file."""
    return earlier.difference(place_of(settings, file.place), file) or "as archived"


def how_to_mend(file: ArchiveFile, state: str) -> str:
    """Return what to do about a file that is not as archived."""
    if state == earlier.NOT_NOTED:
        return "run `tonne archive`"
    if file.removed_at is not None:
        return "bring that file back from a backup"
    # a file of the right size is left alone, whatever is in it
    away = "move that file away, and " if state == earlier.DAMAGED else ""
    return f"{away}run `tonne archive`"


@contextmanager
def archiving(
    facilities: list[str] | None,
) -> Iterator[tuple[psycopg.Connection[Any], Settings]]:
    """Open a connection that has the archive for itself."""
    with clear_errors(*OWN_ERRORS):
        settings = process.settings("admin")
        with connect(settings.database, process="admin", autocommit=True) as connection:
            check_known(connection, facilities)
            if not months.hold(connection):
                raise failure("another `tonne archive` is at work; try again when it is done")
            yield connection, settings


def check_known(connection: psycopg.Connection[Any], facilities: list[str] | None) -> None:
    """Check that there are these facilities."""
    for facility in months.unknown(connection, facilities or []):
        raise failure(f"there is no facility {facility}; create it with `tonne apply`")


def place_of(settings: Settings, name: str | None) -> Place:
    """Return the place of a setting, an option or a file."""
    if name is None:
        raise failure(
            "say where to: set TONNE_ARCHIVE to a folder or s3://bucket/prefix, or give --to"
        )
    return place(name, settings.archive_s3_endpoint)


def month_of(typed: str) -> date:
    """Read a month as it was typed."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", typed):
        raise failure(f"{typed!r} is not a month; write it as 2026-03")
    return date.fromisoformat(f"{typed}-01")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
