"""``tonne apply``: files of facilities and organisations into the registry."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import read_file
from services.cli.member_cells import living_anywhere
from services.cli.options import DryRun
from services.cli.say import amount, say
from services.core.facility.checks import warnings
from services.core.facility.file import parse
from services.core.facility.model import FacilityFile
from services.core.facility.organisation import OrganisationFile
from services.core.facility.organisation_file import is_of_organisation, parse_organisation
from services.core.store.cells.errors import CellError
from services.core.store.operations import heard_topics
from services.core.store.operations.apply_facility import apply_facility
from services.core.store.operations.notices import FILTER_REFUSED, notices
from services.core.store.registry.organisations import UnknownFacilityError, apply_organisation
from services.core.store.registry.shared_factors import shared_factors


def apply_files(
    files: Annotated[
        list[Path], typer.Argument(help="files of facilities or organisations, YAML or JSON")
    ],
    *,
    dry_run: DryRun = False,
    wait: Annotated[
        bool,
        typer.Option(help="wait until a running ingest hears the topics of the files"),
    ] = True,
) -> None:
    """Apply files of facilities and organisations: all of them, or none if any has an error.

    When it returns, a running ingest hears the topics that the files name: what a broker takes
    before it does is lost.
    """
    revision: int | None = None
    with clear_errors(CellError):
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
                            parse_organisation(text, max_bytes=settings.file_bytes)
                            if is_of_organisation(text)
                            else parse(text, shared, max_bytes=settings.file_bytes),
                        ),
                        max_bytes=settings.file_bytes,
                    ),
                )
                for path in files
            ]
            if any(document is None for _, document in parsed):
                raise failure("nothing was applied; correct the lines above and apply again")
            # an organisation names facilities, which may be new
            for path, document in sorted(parsed, key=_is_organisation):
                assert document is not None  # noqa: S101 - refused above
                text, file = document
                if isinstance(file, OrganisationFile):
                    living = living_anywhere(connection, file, settings)
                    _apply_organisation(connection, path, file, living, dry_run=dry_run)
                    continue
                applied = apply_facility(connection, file, text=text, by=process.operator())
                _say_changes(path, applied.changes, dry_run=dry_run)
                if applied.changes and heard_topics.names_topics(file):
                    revision = heard_topics.revision(connection)
                for restated in applied.restated:
                    say(f"  {'would be restated' if dry_run else 'will be restated'}: {restated}")
                for warning in (*warnings(file, shared), *applied.warnings):
                    say(f"  warning: {warning}", err=True)
            for refused in notices(connection, FILTER_REFUSED):
                say(f"  warning: {refused}", err=True)
    if dry_run:
        say("nothing was changed")
    elif wait and revision is not None:
        _await_ingest(revision)


def _await_ingest(revision: int) -> None:
    """Wait until every ingest that runs hears the topics of a revision of the registry."""
    give_up_at = time.monotonic() + heard_topics.LONGEST_WAIT_S
    with clear_errors(), process.session() as connection:
        while heard_topics.processes_behind(connection, revision):
            connection.rollback()
            if time.monotonic() >= give_up_at:
                say(f"  warning: {heard_topics.NOT_HEARD}", err=True)
                return
            time.sleep(heard_topics.LOOK_EVERY_S)


def _is_organisation(
    parsed: tuple[Path, tuple[str, FacilityFile | OrganisationFile] | None],
) -> bool:
    _, document = parsed
    return document is not None and isinstance(document[1], OrganisationFile)


def _apply_organisation(
    connection: Connection,
    path: Path,
    file: OrganisationFile,
    elsewhere: Collection[str],
    *,
    dry_run: bool,
) -> None:
    try:
        changes = apply_organisation(connection, file, by=process.operator(), elsewhere=elsewhere)
    except UnknownFacilityError as error:
        raise failure(f"{path}: {error}") from None
    _say_changes(path, changes, dry_run=dry_run)


def _say_changes(path: Path, changes: Sequence[str], *, dry_run: bool) -> None:
    counted = amount(len(changes), "change") + (" would be made" if dry_run else "")
    say(f"{path}: {counted}" if changes else f"{path}: unchanged")
    for change in changes:
        say(f"  {change}")
