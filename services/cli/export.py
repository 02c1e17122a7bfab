"""``tonne export``: a facility file as applied."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.core.runtime.escapes import shown
from services.core.store.audit.record import record, state_of_text
from services.core.store.registry import applied_file


def export(
    facility: Annotated[str, typer.Argument(help="facility id")],
) -> None:
    """Print a facility file as it was applied; applying it again changes nothing."""
    with clear_errors(), process.transaction() as connection:
        row = connection.execute(applied_file.statement(facility)).one_or_none()
        if row is not None:
            record(
                connection,
                "facility.export",
                by=process.operator(),
                facility=facility,
                subject=facility,
                after=state_of_text(applied_file.text(row)),
            )
    if row is None:
        raise failure(f"there is no facility {facility}; create it with `tonne apply`")
    # exactly as applied, so that it can be applied again: escaping would change it
    sys.stdout.write(
        applied_file.text(row)
        if not sys.stdout.isatty()
        else shown(applied_file.text(row), lines=True)
    )
