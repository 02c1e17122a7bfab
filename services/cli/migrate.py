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
from services.core.store.schema import migrate as migrate_schema
from services.core.store.schema.logins import LoginError
from services.core.store.schema.preconditions import MigrationError


def migrate(
    logins: Annotated[
        Path | None,
        typer.Option(
            help="directory with a password file for each login, ROLE/pgpass; missing files are"
            " created; default for the local stack: its own directory"
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            help="say what would be done, and whether processes of the version before go on; change"
            " nothing"
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="migrate although processes run that do not work on the new schema"
        ),
    ] = False,
) -> None:
    """Migrate the database to the newest schema, and bring in the factors of this release.

    Does nothing if both are up to date, or if a newer version of tonne has migrated the database
    and this one works on it. Refuses, before it changes anything, while processes run on the
    database that do not work on the new schema, and names them. Hours that a changed factor counts
    in are restated.
    """
    with clear_errors(MigrationError, LoginError):
        settings = process.settings("migrate")
        if plan:
            _say_plan(migrate_schema.plan(settings.database))
            return
        if logins is None and load().database_url is None:
            logins = settings.local_logins
        is_current = migrate_schema.upgrade(settings.database, logins_directory=logins, force=force)
    if not is_current:
        say(
            "the schema is that of a newer version of tonne, which this one works on;"
            " nothing was changed"
        )
        return
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


def _say_plan(plan: migrate_schema.Plan) -> None:
    for revision, purpose in plan.steps:
        say(f"  {revision} {purpose}")
    if not plan.steps:
        say("the schema is up to date, or that of a newer version which this one works on")
    elif plan.older_go_on:
        say(
            "processes of the version before may go on meanwhile, and can be started again on the"
            " new schema"
        )
    else:
        say(
            "stop all processes first: no version before works on the new schema, and the way back"
            " is a backup"
        )
    if plan.left_behind:
        say("these run, and would fail on the new schema; `tonne migrate` waits for none of them:")
    for words in plan.left_behind:
        say(f"  {words}")
