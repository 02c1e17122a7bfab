"""``tonne apply``: facility files into the registry."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import read_file
from services.cli.options import DryRun
from services.cli.say import amount, say
from services.core.facility.checks import warnings
from services.core.facility.file import parse
from services.core.store.operations.apply_facility import apply_facility
from services.core.store.operations.notices import FILTER_REFUSED, notices
from services.core.store.registry.shared_factors import shared_factors


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
                            parse(text, shared, max_bytes=settings.file_bytes),
                        ),
                        max_bytes=settings.file_bytes,
                    ),
                )
                for path in files
            ]
            if any(document is None for _, document in parsed):
                raise failure("nothing was applied; correct the lines above and apply again")
            for path, document in parsed:
                assert document is not None  # noqa: S101 - refused above
                text, file = document
                by = f"user {getpass.getuser()}"
                applied = apply_facility(connection, file, text=text, by=by)
                counted = amount(len(applied.changes), "change") + (
                    " would be made" if dry_run else ""
                )
                say(f"{path}: {counted}" if applied.changes else f"{path}: unchanged")
                for change in applied.changes:
                    say(f"  {change}")
                for restated in applied.restated:
                    say(f"  {'would be restated' if dry_run else 'will be restated'}: {restated}")
                for warning in (*warnings(file, shared), *applied.warnings):
                    say(f"  warning: {warning}", err=True)
            for refused in notices(connection, FILTER_REFUSED):
                say(f"  warning: {refused}", err=True)
    if dry_run:
        say("nothing was changed")
