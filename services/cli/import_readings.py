"""``tonne import``: readings from files, fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli import importing, process
from services.cli.errors import clear_errors, failure
from services.ingest.files import formats
from services.ingest.files.formats import Reading
from services.ingest.files.rows import Names, Stated


def import_readings(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, Parquet or XLSX with a header line, Green Button (.xml), MSCONS (.edi, .txt)"
        ),
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
    table: Annotated[
        Path | None,
        typer.Option(help="table file: what stands where in files that are not tonne's own"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check and count everything, and store nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Import readings from files; the same file again takes nothing twice.

    Columns: time, facility, device, channel, value, unit, quality; or time and a column for each
    DEVICE.CHANNEL. Any other table, such as a utility's, is understood by a table file. What cannot
    be stored goes to quarantine, and exit code 1 says so. What an interruption leaves out is stored
    when the same files are imported again.
    """
    with clear_errors():
        settings = process.settings("import")
    names = Names()
    reading = Reading(
        stated=Stated(facility=facility, device=device, channel=channel, unit=unit),
        names=names,
        table=None if table is None else importing.table_of(table, settings),
    )
    importing.run(
        lambda advance: ((str(file), formats.read(file, reading, advance)) for file in files),
        total=sum(map(_size, files)),
        names=names,
        settings=settings,
        dry_run=dry_run,
        as_json=as_json,
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise failure(f"{file}: cannot be read: {error.strerror or error}") from None
