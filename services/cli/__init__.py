"""Turn device readings into CO2 totals: the services and their administration."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from services.cli import (
    alerts,
    devices,
    factors,
    grants,
    keys,
    process,
    quarantine,
    readings,
)
from services.cli.errors import clear_errors, failure
from services.cli.files import read_file
from services.cli.options import DryRun
from services.cli.recompute import recompute
from services.cli.remove import remove, removed
from services.cli.say import say
from services.cli.verify import verify
from services.core.facility.checks import doubts
from services.core.facility.file import parse
from services.core.facility.schema import schema_text
from services.core.runtime.escapes import shown
from services.core.runtime.output import ends_with_its_reader
from services.core.runtime.settings import Settings, load
from services.core.store.operations.apply_facility import apply_facility
from services.core.store.operations.notices import FILTER_REFUSED, told
from services.core.store.registry import applied_file
from services.core.store.registry.shared_factors import shared_factors
from services.core.store.schema.migrate import upgrade

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


def _serve(name: str, run: Callable[[Settings], int]) -> None:
    with clear_errors():
        raise typer.Exit(run(process.settings(name)))


app.add_typer(alerts.app, name="alerts")
app.add_typer(keys.app, name="keys")
app.add_typer(grants.topics, name="topics")
app.add_typer(grants.secrets, name="secrets")
app.add_typer(factors.app, name="factors")
app.add_typer(devices.app, name="devices")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(readings.app, name="readings")


@app.command()
def migrate(
    logins: Annotated[
        Path | None,
        typer.Option(
            help="directory with a password file for each login, ROLE/pgpass; missing files are"
            " created; default for the local stack: its own directory"
        ),
    ] = None,
) -> None:
    """Migrate the database to the newest schema; does nothing if it is up to date."""
    with clear_errors():
        settings = process.settings("migrate")
        if logins is None and load().database_url is None:
            logins = settings.local_logins
        upgrade(settings.database, logins_directory=logins)
    say("the schema is up to date")


@app.command("apply")
def apply_files(
    files: Annotated[list[Path], typer.Argument(help="facility files, YAML or JSON")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Apply facility files: all of them, or none if any has an error."""
    with clear_errors():
        settings = process.settings("apply")
        with process.transaction(dry_run=dry_run) as connection:
            shared = shared_factors(connection)
            parsed = [
                (
                    path,
                    read_file(
                        path,
                        lambda text: (
                            text,
                            parse(text, shared, most_bytes=settings.file_bytes),
                        ),
                        most_bytes=settings.file_bytes,
                    ),
                )
                for path in files
            ]
            if any(found is None for _, found in parsed):
                raise failure("nothing was applied; correct the lines above and apply again")
            for path, found in parsed:
                assert found is not None  # noqa: S101 - refused above
                text, file = found
                by = f"user {getpass.getuser()}"
                applied = apply_facility(connection, file, text=text, by=by)
                counted = f"{len(applied.changes)} changes" + (" would be made" if dry_run else "")
                say(f"{path}: {counted}" if applied.changes else f"{path}: unchanged")
                for change in applied.changes:
                    say(f"  {change}")
                for restated in applied.restated:
                    say(f"  {'would be restated' if dry_run else 'will be restated'}: {restated}")
                for doubt in (*doubts(file, shared), *applied.warnings):
                    say(f"  warning: {doubt}", err=True)
            for refused in told(connection, FILTER_REFUSED):
                say(f"  warning: {refused}", err=True)
    if dry_run:
        say("nothing was changed")


@app.command()
def export(
    facility: Annotated[str, typer.Argument(help="facility id")],
) -> None:
    """Print a facility file as it was applied; applying it again changes nothing."""
    with clear_errors(), process.session() as connection:
        row = connection.execute(applied_file.of(facility)).one_or_none()
    if row is None:
        raise failure(f"there is no facility {facility}; create it with `tonne apply`")
    # exactly as applied, so that it can be applied again: escaping would change it
    sys.stdout.write(
        applied_file.text(row)
        if not sys.stdout.isatty()
        else shown(applied_file.text(row), lines=True)
    )


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of facility files, for editors that complete and validate them."""
    sys.stdout.write(schema_text())


@app.command()
def ingest() -> None:
    """Run ingest: store readings from the broker in the database."""
    from services.ingest.app import run  # noqa: PLC0415 - one service a process: load only its own

    _serve("ingest", run)


@app.command()
def aggregate() -> None:
    """Run the aggregator: compute totals from readings."""
    from services.aggregator.app import run  # noqa: PLC0415 - as above

    _serve("aggregator", run)


@app.command()
def notify() -> None:
    """Run the notifier: send alerts to the recipients in facility files."""
    from services.notify.app import run  # noqa: PLC0415 - as above

    _serve("notify", run)


@app.command()
def api() -> None:
    """Run the HTTP API and the dashboard."""
    from services.api.app import run  # noqa: PLC0415 - as above

    _serve("api", run)


app.command()(verify)
app.command()(recompute)
app.command()(remove)
app.command()(removed)


def main() -> None:
    """Run the command line."""
    with ends_with_its_reader():
        sys.exit(app())
