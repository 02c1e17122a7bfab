"""``/v1/limits``: whether the pollutants of stacks keep their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter
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
from services.api.models.pollutants import LimitStanding as LimitRow
from services.api.routes.pollutants import PollutantList, refuse_unknown
from services.core.accounting.pollutants.compliance import Tally
from services.core.store.answers.limit_standings import LimitStanding, standings
from services.core.store.answers.pollutants import stacks
from services.core.timeline.instants import EPOCH, MINUTE, rfc3339

router = APIRouter(tags=["pollutants"])

_ROWS = Shape(LimitRow)


class LimitsQuery(Query):
    """Parameters of ``GET /v1/limits``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    pollutant: PollutantList = Field([])
    year: int | None = Field(
        None,
        ge=1970,
        le=2199,
        description="calendar year of the facility's time zone; default: this year",
    )
    as_of: Instant | None = Field(
        None, description="returns what was known at this time; default: now"
    )
    format: TextFormat = None


@router.get(
    "/v1/limits",
    summary="List limits and whether they are kept",
    response_model=list[LimitRow],
    responses=_ROWS.documented(
        "One row for each condition of each limit of each pollutant, by facility, source and"
        " pollutant: how many means of the year exceed it, and how many may. A day or month counts"
        " once it is over. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_limits(
    context: InContext,
    who: Reader,
    query: Annotated[LimitsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List how the limits of pollutants stand in a calendar year."""
    facilities = await visible_facilities(context, who, query.facility)
    slugs = [facility.slug for facility in facilities]
    now = context.clock.now()
    as_of = None if query.as_of is None else min(now, query.as_of)

    def ask(connection: psycopg.Connection[Any]) -> Sequence[LimitStanding]:
        of_stacks = stacks(connection, slugs, query.source, as_of)
        refuse_unknown(connection, of_stacks, query.source, query.pollutant)
        return standings(connection, of_stacks, query.pollutant, query.year, as_of or now, as_of)

    rows = [row for s in await context.database.read_in_thread(ask) for row in _rows(s)]
    return rows_answer(
        rows,
        _ROWS,
        accept=accept,
        name=query.format,
        headers=retired_header(facilities, query.facility),
    )


def _rows(standing: LimitStanding) -> Iterator[dict[str, Any]]:
    compliance = standing.compliance
    limit = compliance.limit
    common = {
        "time": standing.begins,
        "limit": limit.name,
        "rule": limit.rule,
        "citation": limit.citation,
        "value_mg_m3": float(limit.value),
        "deduction_mg_m3": float(limit.deduction),
        "limit_verdict": compliance.verdict,
    }
    for either, tallies in ((False, compliance.conditions), (True, compliance.alternatives)):
        for tally in tallies:
            yield _ROWS.row(standing, **common, **_counts(standing, tally), either=either)
    if limit.days.most_invalid is not None:
        allowed = limit.days.most_discarded
        discarded = compliance.discarded_days
        yield _ROWS.row(
            standing,
            **common,
            means="discarded-day",
            at_most_mg_m3=None,
            percent=None,
            either=False,
            count=discarded,
            exceeded=discarded,
            allowed=allowed,
            allowed_at_end=allowed,
            highest_mg_m3=None,
            verdict="kept" if allowed is None or discarded <= allowed else "broken",
            exceeded_at="",
        )


def _counts(standing: LimitStanding, tally: Tally) -> dict[str, Any]:
    condition = tally.condition
    return {
        "means": standing.averaging if condition.means == "interval" else condition.means,
        "at_most_mg_m3": float(condition.at_most),
        "percent": float(condition.percent),
        "count": tally.count,
        "exceeded": tally.exceeded,
        "allowed": tally.allowed,
        "allowed_at_end": tally.allowed_at_end,
        "highest_mg_m3": tally.highest,
        "verdict": tally.verdict,
        "exceeded_at": " ".join(rfc3339(EPOCH + minute * MINUTE) for minute in tally.newest),
    }
