"""``tonne recompute``: compute hours of a facility again from their readings."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.aggregator.audit import preview
from services.aggregator.audit.hold import BusyError, steps
from services.aggregator.audit.preview import HourChange
from services.cli import source_hours
from services.cli.errors import clear_errors, failure
from services.cli.listing import console
from services.cli.options import DryRun, Note, Wait, check_line
from services.cli.process import database, operator
from services.cli.say import amount, cell, say
from services.core.store.database.progress import STALE_AFTER_S, runs
from services.core.store.emissions import recompute_request
from services.core.store.emissions.final_hours import StoredSource
from services.core.store.emissions.recompute_request import Request
from services.core.store.packing.days import date_of
from services.core.store.readings import retention
from services.core.store.readings.archive import missing
from services.core.store.registry.plan import facility_plans
from services.core.store.schema import restatement_reasons as why

_LOOK_EVERY_S: Final = 0.2


def recompute(
    facility: Annotated[str, typer.Option(help="facility id")],
    since: Annotated[str, typer.Option("--from", help="start, such as 2026-11-22T18:00:00Z")],
    until: Annotated[str, typer.Option("--to", help="end, exclusive")],
    dry_run: DryRun = False,
    note: Note = None,
    wait: Wait = True,
) -> None:
    """Recompute hours from their readings; the aggregator restates those that differ."""
    first, end = source_hours.instant("--from", since), source_hours.instant("--to", until)
    assert first is not None  # noqa: S101 - both options are required
    assert end is not None  # noqa: S101
    source_hours.in_order(first, end)
    check_line("--note", note)
    first_hour = int(first.timestamp() // 3600)
    last_hour = int(-(-min(end, datetime.now(UTC)).timestamp() // 3600)) - 1
    if last_hour < first_hour:
        raise failure("--from is in the future; there is nothing to compute yet")
    with clear_errors(), database("recompute") as connection:
        chosen = [s for s in source_hours.sources(connection, [facility]) if s.retired_hour is None]
        horizon = retention.horizon(connection)
        if horizon is not None and first_hour * 3600 < horizon.timestamp():
            say(
                f"readings before {horizon:%Y-%m-%dT%H:%MZ} were dropped:"
                " earlier hours are not recomputed"
            )
        away = missing.last_day_away(connection, facility, first_hour // 24, last_hour // 24)
        if away is not None:
            say(
                f"readings up to {date_of(away)} are in the archive alone: hours computed with them"
                f" are not recomputed; `tonne archive restore {facility} {date_of(away)[:7]}`"
                " brings a month back"
            )
        if dry_run:
            try:
                changes = _previewed(connection, chosen, first_hour, last_hour)
            except BusyError as error:
                raise failure(str(error)) from None
            _tell(changes)
            return
        cause = operator() + (f", {note}" if note else "")
        request = recompute_request.submit(
            connection,
            [(source.facility_id, source.source_id) for source in chosen],
            first_hour * 60,
            (last_hour + 1) * 60,
            why.reason(why.RECOMPUTATION, cause),
            by=operator(),
        )
        if not wait:
            say(f"{amount(len(request.ids), 'source')} to be computed again by the aggregator")
            return
        try:
            _show_progress(connection, request, (last_hour + 1 - first_hour) * 60)
        except KeyboardInterrupt:
            raise failure(
                "the aggregator continues; run the same command again to see its progress"
            ) from None
        restated = recompute_request.restated_hours(connection, request)
        say(f"closed hours restated: {restated}")


def _previewed(
    connection: psycopg.Connection[Any], chosen: list[StoredSource], first: int, last: int
) -> list[HourChange]:
    plans = facility_plans(connection)
    #: an hour whose substitute changes may come up in more than one step
    changes: dict[tuple[str, datetime], HourChange] = {}
    with _progress("computing") as progress:
        task = progress.add_task("", total=(last - first + 1) * len(chosen))
        for source in chosen:
            for begin, end in steps(first, last):
                plan = plans[source.facility_id]
                for change in preview.step(connection, plan, source, begin, end, datetime.now(UTC)):
                    changes[change.source, change.hour] = change
                progress.advance(task, end - begin + 1)
    return [changes[key] for key in sorted(changes)]


def _show_progress(
    connection: psycopg.Connection[Any], request: Request, minutes_each: int
) -> None:
    """Show the progress of the request until it is done."""
    total = minutes_each * len(request.ids)
    began = time.monotonic()
    with _progress("recomputing") as progress:
        task = progress.add_task("", total=total)
        while remaining := recompute_request.remaining_minutes(connection, request):
            progress.update(task, completed=total - remaining)
            if time.monotonic() > began + STALE_AFTER_S and not runs(connection, "aggregator"):
                raise failure(
                    "no aggregator is running; the recomputation continues when one does:"
                    " start `tonne aggregate`"
                )
            time.sleep(_LOOK_EVERY_S)
        progress.update(task, completed=total)


def _progress(doing: str) -> Progress:
    return Progress(
        TextColumn(doing),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _tell(changes: list[HourChange]) -> None:
    if changes:
        table = Table("source", "name", "hour", "old kg", "new kg")
        for change in changes:
            old = "none" if change.old_ug is None else repr(change.old_ug / 1e9)
            table.add_row(
                change.source, cell(change.source_name), f"{change.hour:%Y-%m-%dT%H:%MZ}", old,
                repr(change.new_ug / 1e9),
            )  # fmt: skip
        console().print(table)
    say(f"hours that would change: {len(changes)}")
