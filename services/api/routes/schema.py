"""``/v1/schema/facility``: the language of facility files, for what completes and checks them."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from services.api.http.problems import documented
from services.core.facility.schema import schema_text

router = APIRouter(tags=["facilities"])


@router.get(
    "/v1/schema/facility",
    summary="Get the JSON Schema of facility files",
    response_class=Response,
    responses={
        **documented(),
        200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}},
    },
)
async def get_schema() -> Response:
    """Return the schema by which editors complete and check facility files; as `tonne schema`.

    It is the same for everybody, and part of the documentation: it needs no key.
    """
    text = await run_in_threadpool(_text)
    return Response(
        text,
        media_type="application/schema+json",
        headers={"Cache-Control": "max-age=3600"},
    )


@cache
def _text() -> str:
    return schema_text()
