"""``tonne verify``: check that hours agree with their readings, and the ledger with itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.aggregator.audit import hold, packed_readings, registry, versions
from services.aggregator.audit import verify as check
from services.aggregator.audit.findings import Step, not_checked
from services.aggregator.audit.hold import BusyError
from services.aggregator.sentence import sentence
from services.cli import source_hours
from services.cli.errors import clear_errors
from services.cli.process import database
from services.cli.say import say
from services.cli.source_hours import SourceHours
from services.cli.verified import Verified, as_json_line, tell
from services.core.store.database import database_time
from services.core.store.emissions.final_hours import StoredSource
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.registry.plan import usable_plans


def verify(
    facility: Annotated[
        list[str] | None, typer.Option("--facility", help="facility id; repeatable; default: all")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="hours from this time on, such as 2026-11-22T18:00:00Z"),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="hours before this time")] = None,
    with_versions: Annotated[
        bool,
        typer.Option(
            "--versions", help="compute the versions that restatements replaced again, too"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Recompute hours and check that the ledger adds up; exit 1 and list what does not."""
    first, end = source_hours.instant("--from", since), source_hours.instant("--to", until)
    with clear_errors(), database("verify") as connection:
        result = verified(connection, facility or None, first, end, with_versions=with_versions)
    if as_json:
        say(as_json_line(result))
    else:
        tell(result)
    if result.differ:
        raise typer.Exit(1)


def verified(
    connection: psycopg.Connection[Any],
    facilities: Sequence[str] | None = None,
    first: datetime | None = None,
    end: datetime | None = None,
    *,
    with_versions: bool = False,
) -> Verified:
    """Check the hours in ``first .. end`` of the facilities; None: all."""
    result = Verified(with_versions=with_versions)
    purges = registry.purges(connection, facilities)
    result.add(Step(differences=tuple(purges)))
    chosen = source_hours.sources(
        connection, facilities, deleted=[purge.facility for purge in purges]
    )
    result.add(Step(differences=tuple(registry.contradictions(connection, facilities))))
    bounds = source_hours.bounds(connection, chosen, first, end)
    changed = packed_readings.changed(connection, facilities, first, end)
    result.add(Step(differences=tuple(changed)))
    for step in _steps(connection, chosen, bounds, (first, end), with_versions=with_versions):
        result.add(step)
    return result


def _steps(
    connection: psycopg.Connection[Any],
    chosen: Sequence[StoredSource],
    bounds: Sequence[SourceHours],
    asked: tuple[datetime | None, datetime | None],
    *,
    with_versions: bool,
) -> Iterator[Step]:
    plans, failures = usable_plans(connection)
    hours = {source_span.source.source_id: source_span for source_span in bounds}
    count = sum(source_span.count for source_span in bounds)
    with Progress(
        TextColumn("verifying {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        of_hours = progress.add_task("hours", total=count)
        of_versions = progress.add_task("versions", total=count, visible=with_versions)
        of_windows = progress.add_task("sources' windows", total=len(chosen))
        for source in chosen:
            plan = plans.get(source.facility_id)
            source_span = hours.get(source.source_id)
            if plan is None:
                cause = failures.get(source.facility_id, "it is being deleted")
                yield _failed(source, f"its facility cannot be read: {cause}")
                continue
            try:
                for first, last in (
                    hold.steps(source_span.first, source_span.last) if source_span else ()
                ):
                    parts = check.parts(connection, plan, source, first, last)
                    for begin, end, is_archived in parts:
                        if is_archived:
                            yield check.step_without_readings(connection, source, begin, end)
                        else:
                            database_time.await_reports(connection)
                            now = database_time.present(connection)
                            yield check.step(connection, plan, source, begin, end, now)
                            if with_versions:
                                yield versions.step(connection, source, begin, end)
                        progress.advance(of_hours, end - begin + 1)
                        progress.advance(of_versions, end - begin + 1)
                yield check.sums(connection, source, *asked)
                yield check.windows(connection, source)
                progress.advance(of_windows)
            except psycopg.errors.InsufficientPrivilege:
                # of the login: no source fares better
                raise
            except (
                ArchivedDayError,
                BusyError,
                LookupError,
                ValueError,
                ArithmeticError,
                psycopg.Error,
            ) as error:
                # of this source alone, unless the database is gone
                if connection.closed:
                    raise
                yield _failed(source, sentence(error))


def _failed(source: StoredSource, reason: str) -> Step:
    return Step(differences=(not_checked(source, reason),))
