"""``/v1/facilities``: which facilities and sources there are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.answers import json_answer, next_link
from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.models import Facility
from services.api.parameters import Query
from services.api.problems import documented

router = APIRouter(tags=["facilities"])


class FacilitiesQuery(Query):
    """Parameters of ``GET /v1/facilities``."""

    limit: int = Field(1000, ge=1, le=10_000, description="most facilities in the answer")
    cursor: str | None = Field(
        None, description="where the last answer ended, from its `Link` header"
    )


@router.get(
    "/v1/facilities",
    summary="The facilities that the key may see",
    response_model=list[Facility],
    responses=documented(),
)
async def get_facilities(
    context: InContext, who: Reader, query: Annotated[FacilitiesQuery, FromQuery()]
) -> Response:
    """Facilities with their active sources, by id."""
    found = await visible_facilities(context, who, [])
    rows = [f for f in found if query.cursor is None or f.slug > query.cursor]
    page = rows[: query.limit]
    answer = json_answer(
        [
            {
                "id": f.slug,
                "name": f.name,
                "timezone": f.timezone,
                "sources": [
                    {"id": s.slug, "scope": s.scope, "method": s.method} for s in f.sources
                ],
            }
            for f in page
        ]
    )
    if len(rows) > len(page):
        answer.headers["Link"] = next_link(
            "/v1/facilities", limit=query.limit, cursor=page[-1].slug
        )
    return answer
