"""``tonne archive``: packed readings as Parquet files, out of the database and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.say import amount, say
from services.core.runtime.settings import Settings
from services.core.store.database.connect import connect
from services.core.store.packing.days import DamagedDayError
from services.core.store.readings.archive import months, removal
from services.core.store.readings.archive.calendar import month_after
from services.core.store.readings.archive.months import ArchiveFile, PackedMonth
from services.core.store.readings.archive.removal import FacilityBusyError

try:
    from services.core.store.readings.archive import restore as restoring
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

app = typer.Typer(
    help="Write packed readings as Parquet by facility and month to a folder or S3.",
    invoke_without_command=True,
)

_OWN_ERRORS: Final = (PlaceError, UnusableFileError, FacilityBusyError, DamagedDayError)

#: Readings that are younger are never packed, however soon packing begins.
_LEAST_DAYS: Final = 3

Facilities = Annotated[
    list[str] | None, typer.Option("--facility", help="facility id; repeatable; default: all")
]
To = Annotated[
    str | None, typer.Option("--to", help="folder or s3://bucket/prefix; default: TONNE_ARCHIVE")
]


@app.callback(invoke_without_command=True)
def archive(context: typer.Context, facility: Facilities = None, to: To = None) -> None:
    """Write packed readings as Parquet by facility and month to a folder or S3."""
    if context.invoked_subcommand is not None:
        if facility or to:
            raise failure(f"give the options after `tonne archive {context.invoked_subcommand}`")
        return
    with _archiving(facility) as (connection, settings):
        target = _place(settings, to or settings.archive)
        rows, failed = _written(connection, settings, target, facility)
    show(("facility", "month", "file", "readings", "size", "done"), rows, as_json=False)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_(facility: Facilities = None, *, as_json: AsJson = False) -> None:
    """List the files of the archive as the database knows them."""
    with clear_errors(*_OWN_ERRORS), process.database() as connection:
        _check_known(connection, facility)
        files = months.files(connection, facility)
    show(
        ("facility", "month", "place", "file", "readings", "bytes", "sha256", "archived",
         "in database"),
        [
            (
                file.facility, f"{file.month:%Y-%m}", file.place, file.path, file.readings,
                file.size, file.sha256.hex(), file.archived_at,
                "yes" if file.removed_at is None else "no",
            )
            for file in files
        ],
        as_json=as_json,
    )  # fmt: skip


@app.command()
def verify(facility: Facilities = None) -> None:
    """Read the files of the archive and compare them with the database; exit 1 if one differs."""
    with clear_errors(*_OWN_ERRORS), process.database() as connection:
        _check_known(connection, facility)
        settings = process.settings("admin")
        files = months.files(connection, facility)
        rows = [
            (file.facility, f"{file.month:%Y-%m}", file.path, _state(settings, file))
            for file in files
        ]
    show(("facility", "month", "file", "state"), rows, as_json=False)
    if any(state != "as archived" for *_, state in rows):
        raise typer.Exit(1)


@app.command()
def remove(
    before: Annotated[
        str, typer.Option(help="remove the readings of archived months before this one: YYYY-MM")
    ],
    facility: Facilities = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Remove archived readings from the database; totals stay, and `restore` brings them back."""
    end = _month(before)
    with _archiving(facility) as (connection, settings):
        files = [file for file in months.files(connection, facility) if file.month < end]
        if not files:
            raise failure(f"nothing from before {before} is archived; see `tonne archive list`")
        for file in files:
            state = _state(settings, file)
            if file.removed_at is None and state != "as archived":
                raise failure(
                    f"{file.place}/{file.path}: {state}; nothing is removed: run `tonne archive`"
                )
        if not yes:
            say(f"{amount(len(files), 'month')} of readings will be in the archive alone")
            if not typer.confirm("remove them from the database?"):
                raise failure("nothing was removed")
        rows = _removed(connection, files)
    show(("facility", "months", "days removed", "channels that wait"), rows, as_json=False)
    if any(waiting for *_, waiting in rows):
        say(
            "channels wait until the aggregator has computed and closed all that their readings"
            " feed; run the same command again then"
        )


@app.command()
def restore(
    facility: Annotated[str, typer.Argument(help="facility id")],
    month: Annotated[str, typer.Argument(help="month, in UTC: YYYY-MM")],
) -> None:
    """Bring a month's readings back from the archive, each day under its digest."""
    wanted_month = _month(month)
    with _archiving([facility]) as (connection, settings):
        files = months.files(connection, [facility])
        file = next((file for file in files if file.month == wanted_month), None)
        if file is None:
            raise failure(f"{month} of {facility} is not archived; see `tonne archive list`")
        channels = months.channels(connection, file.facility_id)
        wanted, readings = restoring.missing(connection, file.facility_id, channels, wanted_month)
        with _progress(f"restoring {facility} {month}", readings) as advance:
            restoring.bring_back(
                connection,
                wanted,
                files,
                lambda each_file: _place(settings, each_file.place),
                advance,
            )
        removal.keep(
            connection, file.facility_id, [channel.id for channel in channels], wanted_month
        )
    days = sum(map(len, wanted.values()))
    say(
        f"{facility} {month}: {amount(readings, 'reading')} of {amount(days, 'day')} of channels"
        " are back, each as it was archived"
    )
    if days:
        end = month_after(wanted_month)
        say(
            "what the facility file changed for that time meanwhile is computed with"
            f" `tonne recompute --facility {facility} --from {wanted_month} --to {end}`"
        )


def _written(
    connection: psycopg.Connection[Any],
    settings: Settings,
    target: Place,
    facilities: list[str] | None,
) -> tuple[list[tuple[Any, ...]], bool]:
    files = {(file.facility_id, file.month): file for file in months.files(connection, facilities)}
    age = timedelta(days=max(settings.pack_after_days, _LEAST_DAYS))
    newest = (datetime.now(UTC) - age).date()
    rows: list[tuple[Any, ...]] = []
    failed = False
    ready = [m for m in months.packed(connection, facilities) if month_after(m.month) <= newest]
    total = sum(m.readings for m in ready)
    with _progress("archiving", total) as advance:
        for packed in ready:
            file = files.get((packed.facility_id, packed.month))
            row: tuple[Any, ...]
            if file is not None and _is_current(target, packed, file):
                advance(packed.readings)
                row = (file.path, file.readings, _size(file.size), "is there")
            else:
                try:
                    before = None if file is None else (_place(settings, file.place), file)
                    written = writing.month(connection, target, packed, before, advance)
                    row = (written.path, written.readings, _size(written.contents.size), "written")
                except _OWN_ERRORS as error:
                    failed = True
                    row = ("", packed.readings, "", f"failed: {error}")
            rows.append((packed.facility, f"{packed.month:%Y-%m}", *row))
    return rows, failed


def _is_current(target: Place, packed: PackedMonth, file: ArchiveFile) -> bool:
    """Whether the file holds all of the month as it is, and is where it should be."""
    return (
        packed.unarchived == 0 and file.place == target.name and target.size(file.path) == file.size
    )


def _removed(
    connection: psycopg.Connection[Any], files: Sequence[ArchiveFile]
) -> list[tuple[Any, ...]]:
    rows = []
    for facility_id, facility in dict.fromkeys((f.facility_id, f.facility) for f in files):
        chosen = [file.month for file in files if file.facility_id == facility_id]
        removal.mark(connection, facility_id, chosen, removed=True)
        channels = [channel.id for channel in months.channels(connection, facility_id)]
        removed = waiting = 0
        with _progress(f"removing {facility}", len(channels)) as advance:
            for days in removal.remove(connection, facility_id, channels):
                removed += days or 0
                waiting += days is None
                advance(1)
        rows.append((facility, len(chosen), removed, waiting))
    return rows


def _state(settings: Settings, file: ArchiveFile) -> str:
    """Return what is to be said of a file."""
    contents = _place(settings, file.place).contents(file.path)
    if contents is None:
        return "missing"
    return "as archived" if contents.sha256 == file.sha256 else "not as it was archived"


@contextmanager
def _archiving(
    facilities: list[str] | None,
) -> Iterator[tuple[psycopg.Connection[Any], Settings]]:
    """Open a connection that has the archive for itself."""
    with clear_errors(*_OWN_ERRORS):
        settings = process.settings("admin")
        with connect(settings.database, process="admin", autocommit=True) as connection:
            _check_known(connection, facilities)
            if not months.hold(connection):
                raise failure("another `tonne archive` is at work; try again when it is done")
            yield connection, settings


def _check_known(connection: psycopg.Connection[Any], facilities: list[str] | None) -> None:
    for facility in months.unknown(connection, facilities or []):
        raise failure(f"there is no facility {facility}; create it with `tonne apply`")


def _place(settings: Settings, name: str | None) -> Place:
    if name is None:
        raise failure(
            "say where to: set TONNE_ARCHIVE to a folder or s3://bucket/prefix, or give --to"
        )
    return place(name, settings.archive_s3_endpoint)


def _month(typed: str) -> date:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", typed):
        raise failure(f"{typed!r} is not a month; write it as 2026-03")
    return date.fromisoformat(f"{typed}-01")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


@contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)
