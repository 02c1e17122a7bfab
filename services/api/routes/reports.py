"""``/v1/reports``: quarters and years of stacks under a rule, in the rule's own rounding."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader, visible_facilities
from services.api.context import STATEMENT_TIMEOUT_MS, InContext
from services.api.http.answers import rows_answer
from services.api.http.parameters import Query, SlugList
from services.api.http.problems import DatabaseAway, NotFound, TooSlow, documented
from services.api.models.models import Report
from services.core.store.answers.reported_periods import ReportedPeriod, reported_year
from services.core.store.database.connect import connect

router = APIRouter(tags=["reports"])

_COLUMNS = tuple(Report.model_fields)


class ReportsQuery(Query):
    """Parameters of ``GET /v1/reports``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    source: SlugList = Field([], description="source ids; none: all", examples=[["stack-1"]])
    year: int | None = Field(
        None, ge=1970, le=2199, description="of the facility's calendar; default: the running one"
    )


@router.get(
    "/v1/reports",
    summary="Quarters and years as a rule reports them",
    response_model=list[Report],
    responses={
        200: {
            "description": "Rows of the quarters that have begun and of the year, of each stack"
            " whose hours are closed by a rule: the hours' reported rates times their operating"
            " times, added unrounded and rounded once, in the rule's unit (40 CFR 75 App. F, F-12;"
            " its year is the sum of the quarters as reported, F-13). One hour that cannot be"
            " computed leaves its period without a value. JSON or, with `Accept: text/csv`, CSV.",
            "content": {
                "text/csv": {
                    "example": ",".join(_COLUMNS)
                    + "\r\n2026-07-01T04:00:00Z,2026-10-01T04:00:00Z,linz,stack-1,1,2026-Q3,F-11,"
                    '"40 CFR 75 App. F, eq. F-11",short ton,812345.6,812345.625,736947537.8,2190.25'
                    ",2208,0,final,"
                }
            },
        },
        **documented(NotFound),
    },
)
async def get_reports(
    context: InContext,
    who: Reader,
    query: Annotated[ReportsQuery, FromQuery()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """What stands in the rule's report; sources under no rule have no such figure."""
    facilities = await visible_facilities(context, who, query.facility)
    found = await run_in_threadpool(
        _read,
        context.settings.database,
        [facility.slug for facility in facilities],
        query.year,
        context.clock.now(),
    )
    unknown = set(query.source) - {period.source for period in found}
    if unknown:
        raise NotFound(
            f"There is no stack {min(unknown)} whose hours are closed by a rule in that year."
        )
    rows = [_row(period) for period in found if not query.source or period.source in query.source]
    return rows_answer(rows, columns=_COLUMNS, accept=accept)


def _read(
    database_url: str, facilities: Collection[str], year: int | None, now: datetime
) -> list[ReportedPeriod]:
    try:
        with connect(
            database_url,
            process="api",
            role="tonne_read",
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        ) as connection:
            return reported_year(connection, facilities, year, now)
    except psycopg.errors.QueryCanceled as error:
        raise TooSlow from error
    except psycopg.OperationalError as error:
        raise DatabaseAway from error


def _row(period: ReportedPeriod) -> dict[str, Any]:
    equation, total = period.equation, period.total
    return {
        "time": period.begins,
        "ends": period.ends,
        "facility": period.facility,
        "source": period.source,
        "scope": period.scope,
        "period": period.name,
        "equation": equation.id,
        "citation": equation.citation,
        "unit": equation.unit.removesuffix("/h"),
        "value": None if total.value is None else float(total.value),
        "unrounded": None if total.unrounded is None else float(total.unrounded),
        "co2_kg": None if total.value is None else float(total.value * equation.kg_per_unit),
        "operating_h": float(period.operating),
        "hours": period.hours,
        "hours_waiting": period.waiting,
        "state": "final" if period.final else "provisional",
        "reason": total.reason,
    }
