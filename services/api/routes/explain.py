"""``/v1/explain``: how an hour's total was computed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import FacilityId, Instant, Query
from services.api.http.problems import Archived, NotFound, documented
from services.api.languages.reader import translate
from services.api.models.explain import explain_body
from services.api.models.explanation import Explanation
from services.core.store.answers.explain import explain_hour

router = APIRouter(tags=["explain"])

#: Where tonne tells in a sentence what it found.
_WORDS: Final = frozenset({"reason", "verdict_reason", "detail"})


class ExplainQuery(Query):
    """Parameters of ``GET /v1/explain``."""

    facility: FacilityId
    source: str = Field(min_length=1, description="source id", examples=["stack-1"])
    hour: Instant = Field(
        description="any time within the hour (UTC)", examples=["2026-11-23T17:00:00Z"]
    )
    as_of: Instant | None = Field(
        None,
        description="returns what was known at this time, from the readings of then; default: now",
    )


@router.get(
    "/v1/explain",
    summary="Explain an hour",
    response_model=Explanation,
    responses=documented(NotFound, Archived),
)
async def get_explain(
    context: InContext, who: Reader, query: Annotated[ExplainQuery, FromQuery()]
) -> Response:
    """Return how an hour's total was computed: inputs, method, factor, minutes and versions.

    All of it as known at `as_of`: configuration, factor, versions, readings and minutes.
    """
    (facility,) = await visible_facilities(context, who, [query.facility])
    hour = query.hour.replace(minute=0, second=0, microsecond=0)
    now = context.clock.now()
    as_of = query.as_of or now
    source = query.source
    explanation = await context.database.read_in_thread(
        lambda connection: explain_hour(
            connection,
            facility=facility.slug,
            source=source,
            hour=hour,
            as_of=as_of,
            past=as_of < now,
        )
    )
    body = explain_body(
        explanation,
        facility=facility.slug,
        facility_retired_at=facility.retired_at,
        source=source,
        hour=hour,
        as_of=as_of,
    )
    _translate(body)
    return json_answer(body)


def _translate(body: dict[str, Any]) -> None:
    """Put what was found out of the hour into the reader's language, in its place."""
    closing = body["closing"] or {"inputs": [], "calibrations": {}}
    parts = [
        body,
        *closing["inputs"],
        *(test for tests in closing["calibrations"].values() for test in tests),
        *(step for item in body["inputs"] for step in (*item["held"], *item["incidents"])),
    ]
    for part in parts:
        for words in part.keys() & _WORDS:
            if part[words] is not None:
                part[words] = translate(part[words])
