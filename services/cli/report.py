"""``tonne report``: reports of a period, and files that authorities ask for."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.emission_report import emissions
from services.cli.errors import clear_errors, failure
from services.cli.process import database, operator
from services.cli.say import amount, say
from services.cli.source_hours import in_order, instant
from services.core.accounting.china_month.package import package
from services.core.accounting.hj212.frames import Edition, FrameError
from services.core.accounting.hj212.messages import Station, of_stack
from services.core.runtime.clock import SystemClock
from services.core.store.answers.china_month import china_month
from services.core.store.answers.explain import NothingKnownError
from services.core.store.answers.stack_hours import stack_hours
from services.core.store.audit.record import record
from services.core.store.packing import opened
from services.core.timeline.instants import DAY, rfc3339

app = typer.Typer(no_args_is_help=True, help="Write reports, for people and for authorities.")
app.command()(emissions)


class Period(StrEnum):
    """What a message is of."""

    HOUR = "hour"
    DAY = "day"


class EditionName(StrEnum):
    """Editions of HJ 212 that are written."""

    E2017 = "2017"
    E2025 = "2025"


@app.command("hj212")
def hj212(
    facility: Annotated[str, typer.Argument(help="facility id")],
    source: Annotated[str, typer.Argument(help="id of a stack under a rule")],
    *,
    mn: Annotated[str, typer.Option("--mn", help="MN of the station, 24 digits of 0-9 and A-F")],
    pw: Annotated[str, typer.Option("--pw", help="PW; each frame carries it in the clear")] = (
        "123456"
    ),
    since: Annotated[
        str | None,
        typer.Option("--from", help="hours from this time on; default: 24 h before --to"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="hours before this time; default: now")
    ] = None,
    period: Annotated[Period, typer.Option(help="hours, or whole days of Beijing time")] = (
        Period.HOUR
    ),
    edition: Annotated[EditionName, typer.Option(help="edition of the standard")] = (
        EditionName.E2025
    ),
) -> None:
    """Write frames of HJ 212 to standard output, and to standard error what they leave out."""
    now = SystemClock().now()
    ends = instant("--to", until) or now
    begins = instant("--from", since) or ends - DAY
    in_order(begins, ends)
    station = Station(mn=mn, password=pw, edition=Edition[f"E{edition}"])
    with (
        clear_errors(NothingKnownError, FrameError),
        database() as connection,
    ):
        with opened.snapshot(connection):
            hours = stack_hours(connection, facility, source, begins, ends)
        messages = of_stack(hours, station, period=period.value, begins=begins, ends=ends, now=now)
        record(
            connection,
            "report.export",
            by=operator(),
            facility=facility,
            subject=f"hj212 {source}",
            after={"from": begins, "to": ends},
        )
    if not messages:
        raise failure("no final hour lies in the span: ask for an earlier one with --from and --to")
    for message in messages:
        for frame in message.frames:
            sys.stdout.buffer.write(frame)
        for reason in message.left_out:
            say(f"{rfc3339(message.begins)}: {reason}", err=True)
    sys.stdout.buffer.flush()
    say(f"{amount(len(messages), 'message')} of {facility}.{source}", err=True)


@app.command("china-month")
def china_month_(
    facility: Annotated[str, typer.Argument(help="facility id")],
    month: Annotated[str, typer.Argument(help="month of Beijing time, such as 2026-11")],
    *,
    output: Annotated[
        Path | None, typer.Option(help="file to write; default: FACILITY-MONTH.zip here")
    ] = None,
) -> None:
    """Write a month's activity data, factors and evidence for China's carbon market as a ZIP."""
    try:
        asked = datetime.strptime(month, "%Y-%m")  # noqa: DTZ007 - a month has no zone
    except ValueError:
        raise failure("the month is written as 2026-11") from None
    with (
        clear_errors(NothingKnownError),
        database() as connection,
    ):
        now = SystemClock().now()
        with opened.snapshot(connection):
            known = china_month(connection, facility, asked.year, asked.month, now)
        record(
            connection,
            "report.export",
            by=operator(),
            facility=facility,
            subject="china-month",
            after={"month": known.month},
        )
    target = output or Path(f"{facility}-{known.month}.zip")
    try:
        target.write_bytes(package(known))
    except OSError as error:
        raise failure(f"{target} cannot be written: {error.strerror}") from None
    say(
        f"{target}: {amount(len(known.sources), 'source')}, "
        f"{amount(len(known.evidence), 'piece')} of evidence"
    )
