"""``tonne backfill``: history out of another database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli import importing, process
from services.cli.errors import clear_errors, failure
from services.cli.importing import Advance, Pieces
from services.core.facility.table_file import TableFile
from services.core.store.foreign import home_assistant, query
from services.core.store.foreign.rows import ForeignDatabaseError, ForeignRows
from services.ingest.files import foreign_lines, influx_lines
from services.ingest.files.csv_lines import Lines
from services.ingest.files.rows import Names, Stated, UnusableFileError
from services.ingest.files.table_rows import TableRows

_DATABASES = ("postgresql://", "postgres://")


def backfill(
    source: Annotated[
        str,
        typer.Argument(
            help="postgresql://... with --query; home-assistant_v2.db; or an export of InfluxDB in"
            " line protocol (.lp, .lp.gz)"
        ),
    ],
    *,
    table: Annotated[Path, typer.Option(help="table file: what stands where in it")],
    query_: Annotated[
        str | None, typer.Option("--query", help="SQL whose rows have the readings")
    ] = None,
    facility: Annotated[
        str | None, typer.Option(help="facility id, where the table file names none")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check and count everything, and store nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """Take the history of a device that sends live already out of another database.

    What is stored already stays, and the same again takes nothing twice. The other database is only
    read. Its password stands in PGPASSWORD or a file that PGPASSFILE names.
    """
    with clear_errors():
        settings = process.settings("import")
    if source.startswith(_DATABASES) == (query_ is None):
        raise failure(
            "a database needs --query, which says what to read of it; nothing else has one"
        )
    names = Names()
    table_file = importing.table_of(table, settings)
    rows = TableRows(table_file, names, Stated(facility=facility))

    def read(advance: Advance) -> Iterator[tuple[str, Pieces]]:
        # a URL may hold a password
        name = "the query" if query_ is not None else source
        yield name, _named(name, rows.read(_lines(source, query_, table_file, advance)))

    importing.run(
        read, total=None, names=names, settings=settings, dry_run=dry_run, as_json=as_json
    )


def _lines(source: str, query_: str | None, table: TableFile, advance: Advance) -> Iterator[Lines]:
    if query_ is not None:
        return foreign_lines.lines(query.rows(source, query_))
    path = Path(source)
    if path.name.endswith((".lp", ".lp.gz")):
        return influx_lines.read(path, table, advance)
    if path.suffix in {".db", ".sqlite"}:
        return foreign_lines.lines(_present(path))
    raise UnusableFileError(
        "it is none of postgresql://..., a .db of Home Assistant, an .lp or .lp.gz of InfluxDB;"
        " `tonne import` takes other files"
    )


def _present(path: Path) -> Iterator[ForeignRows]:
    if not path.is_file():
        raise UnusableFileError("there is no such file")
    return home_assistant.rows(path)


def _named(name: str, pieces: Pieces) -> Pieces:
    try:
        yield from pieces
    except (UnusableFileError, ForeignDatabaseError) as error:
        raise UnusableFileError(f"{name}: {error}") from None
    except OSError as error:
        raise UnusableFileError(f"{name}: cannot be read: {error.strerror or error}") from None
