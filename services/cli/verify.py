"""``tonne verify``: check that final hours agree with their readings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.aggregator.audit import verify as check
from services.aggregator.audit.verify import BusyError, Difference, Step
from services.cli import source_hours
from services.cli.errors import clear_errors, failure
from services.cli.listing import console
from services.cli.process import database
from services.cli.say import cell, say
from services.cli.source_hours import SourceHours
from services.core.store.registry.plan import facility_plans


def verify(
    facility: Annotated[
        list[str] | None, typer.Option("--facility", help="facility id; repeatable; default: all")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="hours from this time on, such as 2026-11-22T18:00:00Z"),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="hours before this time")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Recompute final hours as they were computed; exit 1 and list those that differ."""
    first, end = source_hours.instant("--from", since), source_hours.instant("--to", until)
    with clear_errors(), database("verify") as connection:
        try:
            chosen = source_hours.sources(connection, facility or None)
            bounds = source_hours.bounds(connection, chosen, first, end, final=True)
            steps = list(_steps(connection, bounds))
        except BusyError as error:
            raise failure(str(error)) from None
    differences = [difference for step in steps for difference in step.differences]
    counts = {
        "checked": sum(step.checked for step in steps),
        "waiting": sum(step.waiting for step in steps),
        "unknown": sum(step.unknown for step in steps),
    }
    if as_json:
        say(json.dumps({**counts, "differs": [_row(difference) for difference in differences]}))
    else:
        _tell(counts, differences)
    if differences:
        raise typer.Exit(1)


def _steps(connection: psycopg.Connection[Any], bounds: list[SourceHours]) -> Iterator[Step]:
    plans = facility_plans(connection)
    with Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("hours"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=sum(hours.count for hours in bounds))
        for hours in bounds:
            for first, last in check.steps(hours.first, hours.last):
                plan = plans[hours.source.facility_id]
                done = check.step(connection, plan, hours.source, first, last, datetime.now(UTC))
                progress.advance(task, done.checked + done.waiting + done.unknown)
                yield done


def _row(difference: Difference) -> dict[str, Any]:
    return {
        "facility": difference.facility,
        "source": difference.source,
        "hour": _hour(difference),
        "stored_kg": None if difference.stored_ug is None else difference.stored_ug / 1e9,
        "recomputed_kg": difference.recomputed_ug / 1e9,
        "figures": list(difference.figures),
        "source_name": difference.source_name,
    }


def _tell(counts: dict[str, int], differences: list[Difference]) -> None:
    if differences:
        table = Table(
            "facility", "source", "name", "hour", "stored kg", "recomputed kg", "differs in"
        )
        for difference in differences:
            stored = "none" if difference.stored_ug is None else repr(difference.stored_ug / 1e9)
            table.add_row(
                difference.facility,
                difference.source,
                cell(difference.source_name),
                _hour(difference),
                stored,
                repr(difference.recomputed_ug / 1e9),
                ", ".join(difference.figures),
            )
        console().print(table)
    say(f"final hours checked: {counts['checked']}")
    say(f"differ: {len(differences)}")
    if counts["waiting"]:
        say(f"skipped, waiting to be recomputed: {counts['waiting']}")
    if counts["unknown"]:
        say(f"skipped, because their readings changed or were dropped: {counts['unknown']}")


def _hour(difference: Difference) -> str:
    return f"{difference.hour:%Y-%m-%dT%H:%MZ}"
