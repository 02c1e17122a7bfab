"""The command ``tonne``: the services, one process each, and administration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from sqlalchemy.exc import OperationalError

from services.core.runtime import logging
from services.core.runtime.settings import Settings, SettingsError, load
from services.core.store.connect import DatabaseUrlError, engine
from services.core.store.migrate import MigrationError, upgrade
from services.core.store.registry.apply import ApplyError, apply
from services.core.store.registry.facility_file import FacilityFileError, parse

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


def _fail(sentence: str) -> typer.Exit:
    typer.echo(f"tonne: {logging.without_credentials(sentence)}", err=True)
    return typer.Exit(1)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """What the operator can mend is one sentence and exit code 1, not a traceback."""
    try:
        yield
    except (SettingsError, DatabaseUrlError, MigrationError, ApplyError) as error:
        raise _fail(str(error)) from None
    except (psycopg.OperationalError, OperationalError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise _fail(
            f"the database cannot be used ({reason}); check TONNE_DATABASE_URL,"
            " or start the local stack with `make up`"
        ) from None


def _settings(process: str) -> Settings:
    settings = load()
    logging.configure(process=process, level=settings.log_level, style=settings.log_format)
    return settings


def _serve(process: str, run: Callable[[Settings], int]) -> None:
    with _clear_errors():
        raise typer.Exit(run(_settings(process)))


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; does nothing if it is there already."""
    with _clear_errors():
        upgrade(_settings("migrate").database)
    typer.echo("the schema is up to date")


@app.command("apply")
def apply_files(
    files: Annotated[list[Path], typer.Argument(help="facility files, YAML or JSON")],
) -> None:
    """Write facility files into the registry: all of them, or none if anything is wrong."""
    parsed = []
    refused = False
    for path in files:
        try:
            parsed.append((path, parse(path.read_text(encoding="utf-8"))))
        except FacilityFileError as error:
            refused = True
            for problem in error.problems:
                typer.echo(f"{path}:{problem.line}: {problem.message}", err=True)
        except (OSError, UnicodeDecodeError) as error:
            refused = True
            typer.echo(f"{path}: cannot be read: {error}", err=True)
    if refused:
        raise _fail("nothing was applied; mend the lines above and apply again")
    with _clear_errors():
        bind = engine(_settings("apply").database, process="apply")
        with bind.begin() as connection:
            for path, file in parsed:
                changes = apply(connection, file)
                typer.echo(f"{path}: {len(changes)} changes" if changes else f"{path}: unchanged")
                for change in changes:
                    typer.echo(f"  {change}")
        bind.dispose()


@app.command()
def ingest() -> None:
    """Take readings from the broker into the database."""
    from services.ingest.app import run  # noqa: PLC0415 - one service a process: load only its own

    _serve("ingest", run)


@app.command()
def aggregate() -> None:
    """Turn readings into totals."""
    from services.aggregator.app import run  # noqa: PLC0415 - as above

    _serve("aggregator", run)


@app.command()
def api() -> None:
    """Serve the API and the dashboard."""
    from services.api.app import run  # noqa: PLC0415 - as above

    _serve("api", run)


def main() -> None:
    """Run the command line."""
    sys.exit(app())


if __name__ == "__main__":
    main()
