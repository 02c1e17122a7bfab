"""``/v1/reports/emissions``: emissions of a month, quarter or year, as one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Principal, Reader, retired_header, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.formats import CSV
from services.api.http.gathered import combined_answer
from services.api.http.parameters import FacilityList, Instant, Query
from services.api.http.problems import InvalidRequest, NotFound, documented
from services.api.models.emission_report import (
    EmissionReportBody,
    TableName,
    file_name,
    file_of,
    json_body,
    words_in,
)
from services.api.routes.asked import moment
from services.api.routes.emission_report_reading import Asked, ReportPart, read_part, report_of
from services.api.routes.organisation_members import organisation_members
from services.core.accounting.emission_report.period import parse
from services.core.accounting.emission_report.record import EmissionReport, ReportedFacility
from services.core.store.audit.record import record

router = APIRouter(tags=["reports"])

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF: Final = "application/pdf"


_REPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Emissions of a calendar month, quarter or year of facilities: totals by"
        " scope, sources, months, removals and credits (deducted from nothing), what rules report"
        " in their own unit and rounding, methods, factors, and what was restated. A period that is"
        " not over is provisional.",
        "content": {
            CSV: {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
            PDF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

_MEDIA_TYPES: Final = {"csv": f"{CSV}; charset=utf-8; header=present", "xlsx": XLSX, "pdf": PDF}


def _checked(period: str) -> str:
    return str(parse(period))


class EmissionReportQuery(Query):
    """Parameters of ``GET /v1/reports/emissions``."""

    period: Annotated[str, AfterValidator(_checked)] = Field(
        description="a month, quarter or year, as `2026-10`, `2026-Q3` or `2026`, by the time of"
        " each facility",
        examples=["2026-10"],
    )
    facility: FacilityList = Field([])
    organisation: str | None = Field(
        None, description="the facilities of an organisation instead", examples=["example-group"]
    )
    as_of: Instant | None = Field(
        None, description="returns the report as it would have been at this time; default: now"
    )
    since: Instant | None = Field(
        None,
        description="restatements since this time, such as when the last report was made; default:"
        " since the period was over",
    )
    format: Literal["json", "csv", "xlsx", "pdf"] = Field(
        "json", description="`json`, `xlsx` and `pdf`: all tables; `csv`: one of them"
    )
    language: Literal["en", "de", "zh"] = Field(
        "en", description="of sentences, headings and numbers; keys and codes are the same in all"
    )
    table: TableName = Field("sources", description="with `format=csv`: which table")


@router.get(
    "/v1/reports/emissions",
    summary="Report emissions of a period",
    response_model=EmissionReportBody,
    responses=_REPORT | documented(NotFound),
)
async def get_emission_report(
    context: InContext, who: Reader, query: Annotated[EmissionReportQuery, FromQuery()]
) -> Response:
    """Report emissions as tables."""
    asked = await _asked(context, who, query)
    read = context, await read_part(context, asked)
    headers = retired_header(asked.facilities, query.facility)
    return await combined_answer(
        read, partial(_answer, who, query, context.settings.report_font), headers
    )


async def _answer(
    who: Principal,
    query: EmissionReportQuery,
    font: Path | None,
    databases: Sequence[tuple[Context, ReportPart]],
    headers: Mapping[str, str],
) -> Response:
    """Answer with the report of what each database has of it."""
    report = report_of([part for _, part in databases])
    words = words_in(query.language)
    if query.format == "json":
        return json_answer(json_body(report, words), headers)
    for context, part in databases:
        await _note(context, who, part.facilities, report, query)
    name = file_name(report, query.format)
    return Response(
        # a workbook of many sources takes a second, in which streams go on
        await run_in_threadpool(file_of, report, query.format, query.table, words, font),
        media_type=_MEDIA_TYPES[query.format],
        headers={**headers, "Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _asked(context: Context, who: Principal, query: EmissionReportQuery) -> Asked:
    """Read the facilities that a report is of.

    :raises NotFound: one of them, or the organisation, does not exist for whoever asks.
    :raises InvalidRequest: facilities and an organisation are named.
    """
    now, as_of = moment(context, query.as_of)
    subject = name = None
    if query.organisation is not None:
        if query.facility:
            raise InvalidRequest("organisation: name it, or facilities, but not both")
        read = await organisation_members(context, who, query.organisation, now=now, as_of=as_of)
        subject, name = query.organisation, read.membership.stated.file.organisation.name
        facilities = read.facilities
    else:
        facilities = await visible_facilities(context, who, query.facility)
        if len(query.facility) == 1:
            subject, name = facilities[0].slug, facilities[0].name
    return Asked(
        period=parse(query.period),
        subject=subject,
        name=name,
        facilities=facilities,
        now=now,
        as_of=as_of,
        since=query.since,
    )


async def _note(
    context: Context,
    who: Principal,
    facilities: Sequence[ReportedFacility],
    report: EmissionReport,
    query: EmissionReportQuery,
) -> None:
    """Record the export in the audit log of a database, for each of its facilities."""
    after = {"period": str(report.period), "format": query.format, "known_at": report.known_at}

    def write(connection: Any) -> None:
        for facility in facilities:
            record(
                connection,
                "report.export",
                by=who.name,
                facility=facility.id,
                subject="emissions",
                after=after,
            )

    await context.database.write(write, address=who.address)
