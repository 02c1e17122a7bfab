"""``tonne migrate``: the database schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors
from services.cli.say import say
from services.core.facility.errors import ApplyError
from services.core.runtime.settings import load
from services.core.store.operations.release_factors import bring_in_factors
from services.core.store.schema.logins import LoginError
from services.core.store.schema.migrate import MigrationError, upgrade


def migrate(
    logins: Annotated[
        Path | None,
        typer.Option(
            help="directory with a password file for each login, ROLE/pgpass; missing files are"
            " created; default for the local stack: its own directory"
        ),
    ] = None,
) -> None:
    """Migrate the database to the newest schema, and bring in the factors of this release.

    Does nothing if both are up to date. Hours that a changed factor counts in are restated.
    """
    with clear_errors(MigrationError, LoginError):
        settings = process.settings("migrate")
        if logins is None and load().database_url is None:
            logins = settings.local_logins
        upgrade(settings.database, logins_directory=logins)
    say("the schema is up to date")
    with clear_errors():
        try:
            with process.transaction() as connection:
                changes = bring_in_factors(connection)
        except ApplyError as error:
            say(f"warning: the factors of this release are not in force: {error}", err=True)
            return
    for change in changes:
        say(f"  {change}")
