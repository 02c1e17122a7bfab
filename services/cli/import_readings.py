"""``tonne import``: readings from files, fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import show_json
from services.cli.progress import progress
from services.cli.say import amount, say
from services.core.runtime.settings import Settings
from services.core.runtime.shutdown import Shutdown
from services.core.store.database.connect import connect
from services.core.store.packing.days import DamagedDayError
from services.ingest import stated_bounds
from services.ingest.database import Database, DatabaseUnusableError, StoppedError
from services.ingest.files import csv_rows
from services.ingest.files.importer import MISSHAPEN, Importer
from services.ingest.files.report import Report
from services.ingest.files.rows import FileRows, Misshapen, Names, Stated, UnusableFileError
from services.ingest.stated_bounds import UnusableSettingError

#: Refused rows that are printed.
_SHOWN: Final = 20


def import_readings(
    files: Annotated[
        list[Path], typer.Argument(help="CSV (.csv, .csv.gz) or Parquet with a header line")
    ],
    *,
    facility: Annotated[
        str | None, typer.Option(help="facility id, where a file has no such column")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="device id, where a file has no such column")
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(help="channel id, or device.channel, where a file has no such column"),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="unit of the values, where a file has no such column; default: stored"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check and count everything, and store nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Import readings from files; the same file again takes nothing twice.

    Columns: time, facility, device, channel, value, unit, quality; or time and a column for each
    DEVICE.CHANNEL. What cannot be stored goes to quarantine, and exit code 1 says so. What an
    interruption leaves out is stored when the same files are imported again.
    """
    shutdown = Shutdown()
    names = Names()
    stated = Stated(facility=facility, device=device, channel=channel, unit=unit)
    with clear_errors(UnusableSettingError, DatabaseUnusableError, DamagedDayError):
        settings = process.settings("import")
        # says what is wrong with it, where ingest would wait
        connect(settings.database, process="ingest", role="tonne_ingest").close()
        with _importer(settings, shutdown, names, trial=dry_run) as importer:
            began = time.monotonic()
            error = None
            try:
                with shutdown.installed(), progress("importing", sum(map(_size, files))) as advance:
                    complete = importer.run(
                        (str(file), _rows(file, stated, names, advance)) for file in files
                    )
            except StoppedError:
                complete = False
            except UnusableFileError as unusable:
                error = str(unusable)
    _show(importer.report, took_s=time.monotonic() - began, dry_run=dry_run, as_json=as_json)
    if error is not None:
        raise failure(error)
    if not complete:
        raise failure("stopped before the end; run the same command again for the rest")
    if importer.report.refused or importer.report.shed:
        raise typer.Exit(1)


@contextmanager
def _importer(
    settings: Settings, shutdown: Shutdown, names: Names, *, trial: bool
) -> Iterator[Importer]:
    with (
        closing(Database(settings.database, shutdown)) as registry_database,
        closing(Database(settings.database, shutdown, trial=trial)) as database,
    ):
        yield Importer(
            registry_database=registry_database,
            database=database,
            shutdown=shutdown,
            bounds=stated_bounds.bounds(settings),
            names=names,
            pack_after_days=settings.pack_after_days,
            batch_rows=settings.batch_rows,
        )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise failure(f"{file}: cannot be read: {error.strerror or error}") from None


def _rows(
    file: Path, stated: Stated, names: Names, advance: Callable[[int], None]
) -> Iterator[FileRows | Misshapen]:
    """Read a file by its name's ending; an error names the file."""
    try:
        yield from _reader(file)(file, stated, names, advance)
    except UnusableFileError as error:
        raise UnusableFileError(f"{file}: {error}") from None
    except OSError as error:
        raise UnusableFileError(f"{file}: cannot be read: {error.strerror or error}") from None


def _reader(file: Path) -> Callable[..., Iterator[FileRows | Misshapen]]:
    if file.name.endswith((".csv", ".csv.gz")):
        return csv_rows.read
    if file.suffix == ".parquet":
        return _parquet
    raise UnusableFileError("its name must end in .csv, .csv.gz or .parquet")


def _parquet(
    file: Path, stated: Stated, names: Names, advance: Callable[[int], None]
) -> Iterator[FileRows | Misshapen]:
    try:
        from services.ingest.files import parquet_rows  # noqa: PLC0415 - 170 MB, for who has such a file
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise UnusableFileError(
            "Parquet needs pyarrow, which is not installed; install tonne with its extra parquet,"
            " or import a CSV"
        ) from None
    return parquet_rows.read(file, stated, names, advance)


def _show(report: Report, *, took_s: float, dry_run: bool, as_json: bool = False) -> None:
    if as_json:
        show_json([_flat(report, took_s)])
        return
    for refusal in report.refusals[:_SHOWN]:
        say(f"{refusal.file}:{refusal.line}: {refusal.reason}: {refusal.detail}", err=True)
    refused = report.refused.total()
    if refused > _SHOWN:
        say(f"and {refused - _SHOWN} more; --json names {len(report.refusals)}", err=True)
    would = "would be " if dry_run else ""
    say(
        f"{amount(report.read, 'row')} read in {took_s:.1f} s: {report.stored} {would}stored,"
        f" {report.duplicates} there already, {refused} {would}refused"
    )
    for reason, count in sorted(report.refused.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {reason}: {count}")
    if report.gaps:
        say(f"  {report.gaps} of them left a gap, which is among those stored or there already")
    if report.shed:
        say(f"  {report.shed} more refused, for which quarantine has no room")
    if refused > report.refused[MISSHAPEN] and not dry_run:
        say("what was refused is in quarantine: see `tonne quarantine list`")


def _flat(report: Report, took_s: float) -> dict[str, Any]:
    """Return the report for programs."""
    return {
        "read": report.read,
        "stored": report.stored,
        "duplicates": report.duplicates,
        "refused": dict(report.refused),
        "gaps": report.gaps,
        "shed": report.shed,
        "seconds": round(took_s, 3),
        "refusals": [
            {
                "file": refusal.file,
                "line": refusal.line,
                "reason": refusal.reason,
                "detail": refusal.detail,
            }
            for refusal in report.refusals
        ],
    }
