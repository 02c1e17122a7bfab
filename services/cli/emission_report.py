"""``tonne report emissions``: a report of a month, quarter or year as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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
from services.api.routes.emission_report_reading import Asked, ReportPart, read_part, report_of
from services.cli.errors import clear_errors, failure
from services.cli.process import operator, settings
from services.cli.say import amount, say
from services.cli.source_hours import instant
from services.core.accounting.emission_report.period import NotBegunError, Period, parse
from services.core.accounting.emission_report.record import EmissionReport
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.clock import SystemClock
from services.core.store.answers.facility_queries import FacilityRow, facilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.audit.record import record
from services.core.store.cells import identity
from services.core.store.cells.errors import CellError
from services.core.store.cells.naming import named
from services.core.store.cells.organisations import has
from services.core.store.cells.places import Journeys, moves
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
    urls = cell_urls(stated)
    with clear_errors(NotBegunError, Problem, CellError):
        if len(urls) == 1 and not facility and organisation is None:
            _refuse_one_of_several_cells(urls[HOME])
        report, facilities_of = asyncio.run(_read(urls, wanted))
    words = words_in(language.value)
    if form == Form.JSON:
        data = msgspec.json.encode(json_body(report, words))
    else:
        data = file_of(report, form, name, words, stated.report_font)
    target = output or Path(file_name(report, form))
    with clear_errors(CellError):
        # no report without its entries, also where a cell does not take them any more
        for cell, reported in facilities_of.items():
            with _named(cell, urls):
                _note(urls[cell], reported, report, form)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise failure(f"{target} cannot be written: {error.strerror}") from None
    state = "final" if report.is_final else "provisional"
    say(f"{target}: {amount(len(report.sources), 'source')}, {state}")


def _note(url: str, reported: Sequence[str], report: EmissionReport, form: Form) -> None:
    """Record the export where the facilities live."""
    with writing(url, process="admin") as connection:
        for slug in reported:
            record(
                connection,
                "report.export",
                by=operator(),
                facility=slug,
                subject="emissions",
                after={"period": str(report.period), "format": form, "known_at": report.known_at},
            )


def _refuse_one_of_several_cells(url: str) -> None:
    with reading(url, process="admin") as connection:
        here = identity.here(connection)
    if here is not None:
        raise CellError(
            f"this database is cell {here.name}, and has some of the facilities: name the other"
            " cells in TONNE_CELLS, or facilities of this one with --facility"
        )


def _table(name: str) -> TableName:
    for known in TableName.__args__:  # type: ignore[attr-defined]
        if name == known:
            return known  # type: ignore[no-any-return]
    raise failure(f"--table: there is no table {name}; write {', '.join(TableName.__args__)}")  # type: ignore[attr-defined]


async def _read(
    urls: Mapping[str, str], wanted: _Wanted
) -> tuple[EmissionReport, dict[str, list[str]]]:
    """Read the report from each database; return the facilities that it has of each, too."""
    databases = {name: Database(url, connections=2, process="admin") for name, url in urls.items()}
    try:
        before = await _journeys(databases)
        parts = await _parts(databases, wanted)
        if await _journeys(databases) != before:
            raise CellError("a facility moved to another cell meanwhile: run this again")
    finally:
        for database in databases.values():
            await database.close()
    report = report_of(list(parts.values()))
    return report, {name: [f.id for f in part.facilities] for name, part in parts.items()}


async def _journeys(databases: Mapping[str, Database]) -> Journeys | None:
    """Read what has moved between cells; None: there is one database.

    :raises CellError: a database is another cell than it is named, or a facility is in none.
    """
    if len(databases) == 1:
        return None
    by_cell = {}
    for name, database in databases.items():
        with _named(name, databases):
            await database.read_in_thread(partial(identity.check, name))
            async with database.read() as connection:
                by_cell[name] = await moves(connection)
    journeys = Journeys(by_cell=by_cell)
    if journeys.in_none:
        raise CellError(f"facility {min(journeys.in_none)} is moving: wait until it has arrived")
    return journeys


async def _parts(databases: Mapping[str, Database], wanted: _Wanted) -> dict[str, ReportPart]:
    """Read what each database has; typer ends the command where a facility does not exist."""
    now = SystemClock().now()
    now = min(now, wanted.as_of or now)
    only, subject, name = wanted.facilities or None, None, None
    if wanted.organisation is not None:
        # organisations are the home cell's
        stated = await databases[HOME].read_in_thread(
            partial(stated_organisations, slug=wanted.organisation, as_of=wanted.as_of)
        )
        if not stated:
            raise failure(await _no_organisation(databases, wanted.organisation))
        only = list(stated[0].members(now.date()))
        subject, name = wanted.organisation, stated[0].file.organisation.name
    rows = {}
    for cell, database in databases.items():
        with _named(cell, databases):
            rows[cell] = await _facilities(database, only)
    _refuse_doubled(rows)
    listed = [row for of_cell in rows.values() for row in of_cell]
    absent = set(only or ()) - {row.slug for row in listed}
    if absent:
        raise failure(await _absent(databases, min(absent)))
    if len(wanted.facilities) == 1:
        subject, name = listed[0].slug, listed[0].name
    parts = {}
    for cell, of_cell in rows.items():
        if not of_cell and cell != HOME:
            continue
        asked = Asked(
            period=wanted.period,
            subject=subject,
            name=name,
            facilities=of_cell,
            now=now,
            as_of=None if wanted.as_of is None else now,
            since=wanted.since,
        )
        with _named(cell, databases):
            parts[cell] = await read_part(_Reading(database=databases[cell]), asked)
    return parts


def _named(cell: str, cells: Collection[str]) -> AbstractContextManager[None]:
    """Name the cell in what fails, if there are several."""
    return named(cell) if len(cells) > 1 else nullcontext()


def _refuse_doubled(rows: Mapping[str, Sequence[FacilityRow]]) -> None:
    """Refuse to count a facility that two cells have.

    :raises CellError: there is one.
    """
    cell_of: dict[str, str] = {}
    for cell, of_cell in rows.items():
        for row in of_cell:
            if (other := cell_of.setdefault(row.slug, cell)) != cell:
                raise CellError(
                    f"facility {row.slug} is in the cells {other} and {cell}, and would count"
                    " twice: see which of them is meant, and remove the other"
                )


async def _facilities(database: Database, only: Sequence[str] | None) -> list[FacilityRow]:
    async with database.read() as connection:
        return await facilities(connection, only=only)


async def _no_organisation(databases: Mapping[str, Database], slug: str) -> str:
    """Say that home has no such organisation, or which cell has it from before."""
    for cell, database in databases.items():
        with _named(cell, databases):
            if cell != HOME and await database.read_in_thread(partial(has, slug=slug)):
                return (
                    f"organisation {slug} is cell {cell}'s, from before: bring it home with"
                    f" `tonne cells bring-home {slug}`"
                )
    return f"there is no organisation {slug}"


async def _absent(databases: Mapping[str, Database], slug: str) -> str:
    """Say that there is no such facility, or where it may be."""
    cells = await databases[HOME].read_in_thread(identity.cells)
    other = next((cell.name for cell in cells if cell.name not in databases), None)
    if other is None:
        return f"there is no facility {slug}"
    return f"there is no facility {slug} here: name cell {other} in TONNE_CELLS, which may have it"
