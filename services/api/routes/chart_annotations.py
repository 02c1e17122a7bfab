"""``/v1/annotations``: what to know of a span of time in a chart."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import SlugList, TimeSpan, check_span, split_list
from services.api.http.problems import NotFound, documented
from services.api.models.alerts import Annotation
from services.core.store.answers.chart_annotations import chart_annotations

router = APIRouter(tags=["alerts"])

Kind = Literal["alert", "calibration", "gap", "register", "factor", "facility"]


class AnnotationsQuery(TimeSpan):
    """Parameters of ``GET /v1/annotations``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    kind: Annotated[list[Kind], BeforeValidator(split_list)] = Field(
        [],
        description="alert, calibration, gap, register, factor, facility (that one was retired);"
        " none: all",
    )
    limit: int = Field(1000, ge=1, le=10_000, description="most rows in the answer")


@router.get(
    "/v1/annotations",
    summary="Alerts, calibrations, gaps, register resets, factor changes and retirements",
    response_model=list[Annotation],
    responses=documented(NotFound),
)
async def get_annotations(
    context: InContext, who: Reader, query: Annotated[AnnotationsQuery, FromQuery()]
) -> Response:
    """Rows by time, as Grafana's annotations; ``timeEnd`` null: an instant, or it lasts."""
    found = await visible_facilities(context, who, query.facility)
    ends = query.to or context.clock.now()
    begins = query.from_ or ends - timedelta(days=1)
    check_span(begins, ends)
    async with context.engine.connect() as connection:
        rows = await chart_annotations(
            connection,
            [each.id for each in found],
            begins=begins,
            ends=ends,
            kinds=query.kind,
            most=query.limit,
        )
    return json_answer(rows)
