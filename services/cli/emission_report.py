"""``tonne report emissions``: a report of a month, quarter or year as a file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.api.database import Database
from services.api.http.problems import Problem
from services.api.models.emission_report import TableName, file_name, file_of, json_body, words_in
from services.api.routes.emission_report_reading import Asked, read_report
from services.cli.errors import clear_errors, failure
from services.cli.process import operator, settings
from services.cli.say import amount, say
from services.cli.source_hours import instant
from services.core.accounting.emission_report.period import NotBegunError, Period, parse
from services.core.accounting.emission_report.record import EmissionReport
from services.core.runtime.clock import SystemClock
from services.core.store.answers.facility_queries import facilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.audit.record import record
from services.core.store.cells import identity
from services.core.store.database.transactions import reading, writing
from services.core.store.registry.organisations import stated_organisations


class Form(StrEnum):
    """Formats of a report."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


class Language(StrEnum):
    """Languages of a report."""

    EN = "en"
    DE = "de"
    ZH = "zh"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """What answers about the past are read with."""

    database: Database
    accounts: KnownAccounts = field(default_factory=KnownAccounts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What a report is wanted of."""

    period: Period
    facilities: list[str]
    organisation: str | None
    as_of: datetime | None
    since: datetime | None


def emissions(
    period: Annotated[str, typer.Argument(help="2026-10, 2026-Q3 or 2026")],
    *,
    facility: Annotated[
        list[str] | None, typer.Option(help="facility id; several times for several; none: all")
    ] = None,
    organisation: Annotated[
        str | None, typer.Option(help="the facilities of an organisation instead")
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="csv is one of the report's tables")
    ] = Form.XLSX,
    table: Annotated[str, typer.Option(help="with --format csv: which table")] = "sources",
    language: Annotated[Language, typer.Option(help="of sentences, headings and numbers")] = (
        Language.EN
    ),
    as_of: Annotated[
        str | None, typer.Option(help="the report as it would have been then; default: now")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="restatements since then; default: since the period was over"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="file to write; default: FACILITY-PERIOD.FORMAT here")
    ] = None,
) -> None:
    """Write a report of the emissions of a month, quarter or year."""
    if facility and organisation:
        raise failure("name facilities or an organisation, but not both")
    name = _table(table)
    with clear_errors(ValueError):
        wanted = _Wanted(
            period=parse(period),
            facilities=facility or [],
            organisation=organisation,
            as_of=instant("--as-of", as_of),
            since=instant("--since", since),
        )
    stated = settings("admin")
    url = stated.database
    if not facility and organisation is None:
        _refuse_one_of_several_cells(url)
    with clear_errors(NotBegunError, Problem):
        report = asyncio.run(_read(url, wanted))
    words = words_in(language.value)
    if form == Form.JSON:
        data = msgspec.json.encode(json_body(report, words))
    else:
        data = file_of(report, form, name, words, stated.report_font)
    target = output or Path(file_name(report, form))
    try:
        target.write_bytes(data)
    except OSError as error:
        raise failure(f"{target} cannot be written: {error.strerror}") from None
    with writing(url, process="admin") as connection:
        for row in report.facilities:
            record(
                connection,
                "report.export",
                by=operator(),
                facility=row.id,
                subject="emissions",
                after={"period": str(report.period), "format": form, "known_at": report.known_at},
            )
    state = "final" if report.is_final else "provisional"
    say(f"{target}: {amount(len(report.sources), 'source')}, {state}")


def _refuse_one_of_several_cells(url: str) -> None:
    with reading(url, process="admin") as connection:
        here = identity.here(connection)
    if here is not None:
        raise failure(
            f"this database is cell {here.name}, and has some of the facilities: name them with"
            " --facility, or take the report over all cells from the API, GET /v1/reports/emissions"
        )


def _table(name: str) -> TableName:
    for known in TableName.__args__:  # type: ignore[attr-defined]
        if name == known:
            return known  # type: ignore[no-any-return]
    raise failure(f"--table: there is no table {name}; write {', '.join(TableName.__args__)}")  # type: ignore[attr-defined]


async def _read(url: str, wanted: _Wanted) -> EmissionReport:
    database = Database(url, connections=2, process="admin")
    try:
        return await read_report(_Reading(database=database), await _asked(database, wanted))
    finally:
        await database.close()


async def _asked(database: Database, wanted: _Wanted) -> Asked:
    """Read the facilities of the report; typer ends the command where one does not exist."""
    now = SystemClock().now()
    now = min(now, wanted.as_of or now)
    only, subject, name = wanted.facilities, None, None
    if wanted.organisation is not None:
        stated = await database.read_in_thread(
            partial(stated_organisations, slug=wanted.organisation, as_of=wanted.as_of)
        )
        if not stated:
            raise failure(f"there is no organisation {wanted.organisation}")
        only = [m.id for m in stated[0].file.facilities if m.belongs(now.date())]
        subject, name = wanted.organisation, stated[0].file.organisation.name
    async with database.read() as connection:
        rows = await facilities(connection, only=only or None)
    unknown = set(only) - {row.slug for row in rows}
    if unknown:
        raise failure(f"there is no facility {min(unknown)}")
    if len(wanted.facilities) == 1:
        subject, name = rows[0].slug, rows[0].name
    return Asked(
        period=wanted.period,
        subject=subject,
        name=name,
        facilities=rows,
        now=now,
        as_of=None if wanted.as_of is None else now,
        since=wanted.since,
    )
