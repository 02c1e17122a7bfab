"""``tonne activities``: amounts of bills, journeys, purchases and waste, from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import read_path, whole_file
from services.cli.listing import AsJson, show, show_rest
from services.cli.options import check_line
from services.cli.progress import progress
from services.cli.say import amount, say
from services.core.facility.activity_table import ActivityTable, parse_activity_table
from services.core.facility.errors import FacilityFileError
from services.core.runtime.clock import SystemClock
from services.core.runtime.settings import Settings
from services.core.store.emissions import source_shape
from services.core.store.readings import activities, activity_withdrawals
from services.core.store.readings.activities import ActivityConflictError, Prepared
from services.core.store.readings.activity_withdrawals import NotWithdrawnError
from services.ingest.files import activity_rows
from services.ingest.files.rows import UnusableFileError

app = typer.Typer(
    no_args_is_help=True, help="Import, list and withdraw amounts of bills and the like."
)

Facility = Annotated[str | None, typer.Option(help="facility id, where the file has no column")]


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX with a header line: id, channel, from, to, amount, unit, document,"
            " facility; any other with --table"
        ),
    ],
    *,
    facility: Facility = None,
    table: Annotated[
        Path | None,
        typer.Option(help="table file: what stands where in a file that is not tonne's own"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check the file and store nothing")
    ] = False,
) -> None:
    """Import amounts of periods, spread over their days; an id counts once.

    Nothing is stored while a line of the file is wrong. What an interruption leaves out is stored
    when the same file is imported again.
    """
    with clear_errors():
        settings = process.settings("activities")
    columns = None if table is None else _table_of(table, settings)
    with clear_errors(UnusableFileError):
        entries = read_path(
            file,
            lambda: activity_rows.read(file, columns, SystemClock().now(), facility),
            max_bytes=settings.file_bytes,
            setting="TONNE_FILE_BYTES",
        )
    if entries is None:
        raise failure("nothing was imported; correct the lines above and import again")
    with clear_errors(ActivityConflictError), process.database("activities") as connection:
        new: list[Prepared] | None = None
        try:
            new, present = activities.prepare(connection, entries, source_shape.hours)
        except FacilityFileError as error:
            for problem in error.problems:
                say(f"{file}:{problem.line}: {problem.message}", err=True)
        if new is None:
            raise failure("nothing was imported; correct the lines above and import again")
        if not dry_run:
            with progress("importing", len(new)) as advance:
                for stored in activities.store(connection, new, by=process.operator()):
                    advance(stored)
    say(
        f"{file}: {'would store' if dry_run else 'stored'} {amount(len(new), 'activity amount')},"
        f" {present} there already"
    )


def _table_of(path: Path, settings: Settings) -> ActivityTable:
    """Read a table file; an error ends the command."""
    return whole_file(
        path,
        parse_activity_table,
        settings,
        otherwise="nothing was imported; correct the lines above and import again",
    )


@app.command()
def withdraw(
    entry: Annotated[str, typer.Argument(metavar="ID", help="number of the bill or entry")],
    facility: Annotated[str, typer.Option(help="facility id")],
    reason: Annotated[str, typer.Option(help="reason, shown with the restatement")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Take back an activity that is wrong: it counts no more, and stays in the list as withdrawn.

    Its id stays used: what is right is imported under another one.
    """
    check_line("--reason", reason)
    if not (yes or typer.confirm(f"withdraw {entry} of {facility}?")):
        raise failure("nothing was withdrawn")
    with clear_errors(NotWithdrawnError), process.database() as connection:
        discarded = activity_withdrawals.withdraw(
            connection, facility, entry, by=process.operator(), reason=reason
        )
    say(
        f"withdrawn: {entry}, {amount(discarded, 'reading')}; the aggregator restates the totals"
        " they fed"
    )


@app.command("list")
def list_(
    *,
    facility: Annotated[str | None, typer.Option(help="facility id; default: all")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="maximum number of rows")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List imported activities with their documents."""
    with clear_errors(), process.database() as connection:
        entries = activities.listed(connection, facility, limit=limit + 1)
    show(
        (
            "facility", "id", "channel", "from", "to", "amount", "unit", "document", "imported",
            "by", "withdrawn", "withdrawn by", "reason",
        ),
        [
            (
                e.facility, e.id, e.channel, e.first_day, e.end_day, e.amount, e.unit, e.document,
                e.imported_at, e.imported_by, e.withdrawn_at, e.withdrawn_by, e.reason,
            )
            for e in entries[:limit]
        ],
        as_json=as_json,
    )  # fmt: skip
    show_rest(entries, limit, which="later", as_json=as_json)
