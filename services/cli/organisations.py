"""``tonne organisations``: those in force, the file of one, and taking one out of force."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from services.cli import process, source_hours
from services.cli.errors import clear_errors
from services.cli.listing import AsJson, show
from services.cli.options import check_line
from services.cli.say import say
from services.core.store.registry.organisations import (
    UnknownOrganisationError,
    document,
    no_organisation,
    remove_organisation,
    stated_organisations,
)

app = typer.Typer(
    no_args_is_help=True,
    help="List, show and remove organisations.\n\n`tonne apply` brings one in or changes it.",
)

_Organisation = Annotated[str, typer.Argument(help="organisation id")]


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the organisations that are in force."""
    with clear_errors(), process.database() as connection:
        rows = [
            (
                stated.file.organisation.id,
                stated.file.organisation.name,
                " ".join(member.id for member in stated.file.facilities),
                " ".join(str(path.scope) for path in stated.file.pathway),
                stated.since,
            )
            for stated in stated_organisations(connection, None, None)
        ]
    show(("organisation", "name", "facilities", "paths of scope", "since"), rows, as_json=as_json)


@app.command("show")
def show_(
    organisation: _Organisation,
    *,
    as_of: Annotated[
        str | None, typer.Option(help="the file in force then, such as 2026-01-01; default: now")
    ] = None,
) -> None:
    """Print an organisation's file; applying it again changes nothing."""
    with clear_errors(UnknownOrganisationError), process.database() as connection:
        instant = source_hours.instant("--as-of", as_of)
        stated = stated_organisations(connection, organisation, instant)
        if not stated:
            raise no_organisation(organisation)
    sys.stdout.write(json.dumps(document(stated[0].file), indent=1) + "\n")


@app.command()
def remove(
    organisation: _Organisation,
    *,
    reason: Annotated[str | None, typer.Option(help="reason, kept in the audit log")] = None,
) -> None:
    """Take an organisation out of force; its facilities stay, and so does all that was known of it.

    Answers `as_of` an earlier time still have it, and applying its file brings it back, with the
    versions of its base years.
    """
    check_line("--reason", reason)
    with clear_errors(UnknownOrganisationError), process.transaction() as connection:
        remove_organisation(connection, organisation, by=process.operator(), reason=reason)
    say(f"{organisation} is no longer in force; `tonne apply` of its file brings it back")
