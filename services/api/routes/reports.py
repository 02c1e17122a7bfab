"""``/v1/reports``: quarters and years of stacks, as their rule requires them to be reported."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.gathered import not_here
from services.api.http.parameters import SourceList
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.emissions import Report
from services.api.routes.asked import moment
from services.api.routes.removal_reading import BesidePeriod, beside_periods
from services.api.routes.reported_year import YearQuery, asked_of_year
from services.core.store.answers.reported_periods import ReportedPeriod, reported_year
from services.core.store.schema.figures import kg

router = APIRouter(tags=["reports"])

_ROWS = Shape(Report)


class ReportsQuery(YearQuery):
    """Parameters of ``GET /v1/reports``."""

    source: SourceList = Field([])


@router.get(
    "/v1/reports",
    summary="List reported periods",
    response_model=list[Report],
    responses=_ROWS.documented(
        "One row for each quarter that has begun and one for the year, for each stack whose hours"
        " are closed by a rule: the sum of the hours' reported rates times their operating times,"
        " rounded once, in the rule's unit (40 CFR 75 App. F, F-12; the year is the sum of the"
        " reported quarters, F-13). Quarters and years are cut in standard time all year where a"
        " source is under Part 75, unless the facility file says otherwise. A period with"
        " an hour that cannot be computed has no value. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    )
    | NOT_MODIFIED,
)
async def get_reports(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[ReportsQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List what a rule's report contains; sources without a rule are left out."""
    now, as_of = moment(context, query.as_of)
    of_call = await asked_of_year(context, request, who, query, now, as_of)
    if unchanged := of_call.not_modified(if_none_match):
        return unchanged
    slugs = [facility.slug for facility in of_call.facilities]
    periods = await context.database.read_in_thread(
        lambda connection: reported_year(connection, slugs, query.year, now, as_of)
    )
    unknown = not_here(set(query.source) - {period.source for period in periods})
    if unknown:
        raise NotFound(
            f"In that year there is no stack {min(unknown)} whose hours are closed by a rule."
        )
    chosen = [p for p in periods if not query.source or p.source in query.source]
    beside = await beside_periods(
        context,
        of_call.facilities,
        {(period.facility, period.begins, period.ends) for period in chosen},
        now,
        as_of=as_of,
    )
    rows = [_row(p, beside[p.facility, p.begins, p.ends]) for p in chosen]
    return rows_answer(
        rows,
        _ROWS,
        accept=accept,
        name=query.format,
        headers=of_call.headers,
    )


def _row(period: ReportedPeriod, beside: BesidePeriod) -> dict[str, Any]:
    equation, total = period.equation, period.total
    return _ROWS.row(
        period,
        time=period.begins,
        period=period.name,
        equation=equation.id,
        citation=equation.citation,
        unit=equation.unit.removesuffix("/h"),
        value=None if total.value is None else float(total.value),
        unrounded=None if total.unrounded is None else float(total.unrounded),
        co2_kg=None if total.value is None else float(total.value * equation.kg_per_unit),
        biogenic_kg=None if total.value is None else kg(period.biogenic_ug),
        operating_h=float(period.operating),
        hours_waiting=period.waiting,
        state="final" if period.final else "provisional",
        reason=total.reason,
        facility_removed_kg=beside.removed_kg,
        facility_credits_kg=beside.credits_kg,
    )
