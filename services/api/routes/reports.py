"""``/v1/reports``: quarters and years of stacks, as their rule requires them to be reported."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import FacilityList, Instant, Query, SourceList
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.bands import kg
from services.api.models.emissions import Report
from services.api.routes.answer_validators import year_validator
from services.api.routes.removal_reading import BesidePeriod, beside_periods
from services.core.store.answers.reported_periods import ReportedPeriod, reported_year

router = APIRouter(tags=["reports"])

_ROWS = Shape(Report)


class ReportsQuery(Query):
    """Parameters of ``GET /v1/reports``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    year: int | None = Field(
        None,
        ge=1970,
        le=2199,
        description="calendar year by the time that reports are cut by; default: this year",
    )
    as_of: Instant | None = Field(
        None, description="returns what would have been reported at this time; default: now"
    )
    format: TextFormat = None


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
    facilities = await visible_facilities(context, who, query.facility)
    now = context.clock.now()
    as_of = None if query.as_of is None else min(now, query.as_of)
    now = as_of or now
    validator = None
    if as_of is None:
        async with context.database.read() as connection:
            validator = await year_validator(connection, request, facilities, query.year, now)
        if validator.holds(if_none_match):
            return validator.not_modified()
    slugs = [facility.slug for facility in facilities]
    periods = await context.database.read_in_thread(
        lambda connection: reported_year(connection, slugs, query.year, now, as_of)
    )
    unknown = set(query.source) - {period.source for period in periods}
    if unknown:
        raise NotFound(
            f"In that year there is no stack {min(unknown)} whose hours are closed by a rule."
        )
    chosen = [p for p in periods if not query.source or p.source in query.source]
    beside = await beside_periods(
        context,
        facilities,
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
        headers={
            **retired_header(facilities, query.facility),
            **(validator.headers if validator else {}),
        },
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
