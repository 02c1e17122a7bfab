"""What importing files and backfilling from databases share: the run, and the report of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import typer

from services.cli.errors import clear_errors, failure
from services.cli.files import whole_file
from services.cli.listing import show_json
from services.cli.progress import progress
from services.cli.say import amount, say
from services.core.facility.table_file import TableFile, parse_table
from services.core.runtime.settings import Settings
from services.core.runtime.shutdown import Shutdown
from services.core.store.database.connect import connect
from services.core.store.packing.days import DamagedDayError
from services.ingest import stated_bounds
from services.ingest.database import DatabaseUnusableError, StoppedError
from services.ingest.files import composition
from services.ingest.files.report import Report
from services.ingest.files.rows import MISSHAPEN, FileRows, Misshapen, Names, UnusableFileError
from services.ingest.stated_bounds import UnusableSettingError

#: Refused rows that are printed.
_SHOWN: Final = 20

Pieces = Iterator[FileRows | Misshapen]
#: Hears how much was read.
Advance = Callable[[int], None]


def run(
    read: Callable[[Advance], Iterable[tuple[str, Pieces]]],
    *,
    total: int | None,
    names: Names,
    settings: Settings,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take the rows that ``read`` yields by name, print what became of them, and exit accordingly.

    ``total``: how much ``read`` will say that it has read; None: nobody knows.
    """
    shutdown = Shutdown()
    with clear_errors(UnusableSettingError, DatabaseUnusableError, DamagedDayError):
        # says what is wrong with it, where ingest would wait
        connect(settings.database, process="ingest", role="tonne_ingest").close()
        with composition.importer(
            settings.database,
            shutdown,
            names,
            stated_bounds.bounds(settings),
            pack_after_days=settings.pack_after_days,
            batch_rows=settings.batch_rows,
            is_trial=dry_run,
        ) as importer:
            began = time.monotonic()
            error = None
            try:
                with (
                    shutdown.installed(),
                    progress("importing", total, lambda: _so_far(importer.report)) as advance,
                ):
                    complete = importer.run(read(advance))
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


def table_of(path: Path, settings: Settings) -> TableFile:
    """Read a table file; an error ends the command."""
    return whole_file(
        path,
        parse_table,
        settings,
        otherwise="nothing was imported; correct the lines above and import again",
    )


def _so_far(report: Report) -> str:
    refused = report.refused.total() + report.shed
    return (
        f"{amount(report.read, 'row')} read: {report.stored} stored, {report.duplicates} there"
        f" already, {refused} refused"
    )


def _show(report: Report, *, took_s: float, dry_run: bool, as_json: bool = False) -> None:
    if as_json:
        show_json([report.flat(took_s)])
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
