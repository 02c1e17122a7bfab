"""``tonne verify``: check that hours agree with their readings, and the ledger with itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.aggregator.audit import verify as check
from services.aggregator.audit.verify import BusyError, Difference, Step
from services.aggregator.sentence import sentence
from services.cli import source_hours
from services.cli.errors import clear_errors
from services.cli.listing import console
from services.cli.process import database
from services.cli.say import cell, say
from services.cli.source_hours import SourceHours
from services.core.store.emissions.final_hours import StoredSource
from services.core.store.registry.plan import usable_plans

#: Differences that are listed; all of them are counted.
MAX_LISTED = 1000


@dataclass
class _Result:
    """What the steps came to, however many there were."""

    checked: int = 0
    waiting: int = 0
    unknown: int = 0
    differ: int = 0
    listed: list[Difference] = field(default_factory=list)

    def add(self, step: Step) -> None:
        self.checked += step.checked
        self.waiting += step.waiting
        self.unknown += step.unknown
        self.differ += len(step.differences)
        self.listed.extend(step.differences[: MAX_LISTED - len(self.listed)])


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
    """Recompute hours and check that the ledger adds up; exit 1 and list what does not."""
    first, end = source_hours.instant("--from", since), source_hours.instant("--to", until)
    result = _Result()
    with clear_errors(), database("verify") as connection:
        chosen = source_hours.sources(connection, facility or None)
        bounds = source_hours.bounds(connection, chosen, first, end)
        for step in _steps(connection, chosen, bounds):
            result.add(step)
    if as_json:
        counts = {"checked": result.checked, "waiting": result.waiting, "unknown": result.unknown}
        differs = [_row(difference) for difference in result.listed]
        say(json.dumps({**counts, "differ": result.differ, "differs": differs}))
    else:
        _tell(result)
    if result.differ:
        raise typer.Exit(1)


def _steps(
    connection: psycopg.Connection[Any], chosen: list[StoredSource], bounds: list[SourceHours]
) -> Iterator[Step]:
    plans, failures = usable_plans(connection)
    hours = {source_span.source.source_id: source_span for source_span in bounds}
    with Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("hours"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=sum(source_span.count for source_span in bounds))
        for source in chosen:
            plan = plans.get(source.facility_id)
            source_span = hours.get(source.source_id)
            if plan is None:
                cause = failures.get(source.facility_id, "it is being deleted")
                yield _failed(source, f"its facility cannot be read: {cause}")
                continue
            try:
                for first, last in (
                    check.steps(source_span.first, source_span.last) if source_span else ()
                ):
                    yield check.step(connection, plan, source, first, last, datetime.now(UTC))
                    progress.advance(task, last - first + 1)
                yield Step(differences=tuple(check.windows(connection, source)))
            except (BusyError, LookupError, ValueError, ArithmeticError, psycopg.Error) as error:
                # of this source alone, unless the database is gone
                if connection.closed:
                    raise
                yield _failed(source, sentence(error))


def _failed(source: StoredSource, reason: str) -> Step:
    return Step(differences=(check.not_checked(source, reason),))


def _row(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind,
        "facility": difference.facility,
        "source": difference.source,
        "hour": _hour(difference),
        "window": difference.window,
        "stored_kg": _kg(difference.stored_ug),
        "recomputed_kg": _kg(difference.recomputed_ug),
        "figures": list(difference.figures),
        "detail": difference.detail,
        "source_name": difference.source_name,
    }


def _tell(result: _Result) -> None:
    if result.listed:
        table = Table(
            "facility", "source", "name", "hour", "what", "stored kg", "recomputed kg", "differs in"
        )
        for difference in result.listed:
            stored, computed = (
                "none" if kg is None else repr(kg)
                for kg in (_kg(difference.stored_ug), _kg(difference.recomputed_ug))
            )
            table.add_row(
                difference.facility, difference.source, cell(difference.source_name),
                _hour(difference) or difference.window, difference.kind, stored, computed,
                cell("; ".join(filter(None, (", ".join(difference.figures), difference.detail)))),
            )  # fmt: skip
        console().print(table)
    say(f"final hours checked: {result.checked}")
    say(f"differ: {result.differ}")
    if result.differ > len(result.listed):
        say(f"listed: the first {len(result.listed)}; choose with --facility, --from and --to")
    if result.waiting:
        say(f"not held against readings, waiting to be recomputed: {result.waiting}")
    if result.unknown:
        say(f"not held against readings, because these changed or were dropped: {result.unknown}")


def _kg(micrograms: int | None) -> float | None:
    return None if micrograms is None else micrograms / 1e9


def _hour(difference: Difference) -> str | None:
    return None if difference.hour is None else f"{difference.hour:%Y-%m-%dT%H:%MZ}"
