"""A plain call answers, and refuses, to the letter as FastAPI does."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from services.api.app import create_app
from services.api.http import calls, errors, parameters
from services.api.http.calls import Call, well_asked
from services.core.runtime.settings import Settings


class _Asked(parameters.TimeSpan):
    facility: parameters.FacilityList = Field([])
    source: parameters.FacilityId
    limit: int | None = Field(None, ge=1)
    scope: list[int] | None = None


async def _path(request: Request) -> str:
    return request.url.path


def _app(route: type[APIRoute]) -> FastAPI:
    router = APIRouter(route_class=route)

    @router.get("/v1/things")
    async def get_things(
        request: Request,
        path: Annotated[str, Depends(_path)],
        query: Annotated[_Asked, Query()],
        if_none_match: Annotated[str, Header()] = "none",
    ) -> Response:
        """Repeat what was asked."""
        return Response(f"{path} {request.method} {query!r} {if_none_match}")

    app = FastAPI(dependencies=[Depends(well_asked)])
    app.include_router(router)
    errors.install(app)
    return app


async def _answers(query: str, headers: dict[str, str]) -> list[tuple[int, bytes]]:
    answers = []
    for route in (APIRoute, Call):
        transport = httpx.ASGITransport(_app(route), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://tonne") as client:
            answer = await client.get(f"/v1/things{query}", headers=headers)
            answers.append((answer.status_code, answer.content))
    return answers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?source=a", 200),
        ("?source=a&source=b&facility=x&facility=y,z&scope=1&scope=2", 200),
        ("?source=a&from=2026-01-01&to=2026-01-02&limit=3", 200),
        ("?source=a&from_=2026-01-01&to=2026-01-02", 200),
        ("?source=a%20b&facility=", 200),
        ("", 422),
        ("?source=", 422),
        ("?source=a&limit=0", 422),
        ("?source=a&limit=x&scope=y&from=never", 422),
        ("?source=a&unknown=1", 422),
        ("?source=a&unknown=1&unknown=2&from_=2026&from_=2027", 422),
        ("?source=a&from=2026-01-02&to=2026-01-01", 422),
    ],
)
async def test_a_query_is_read_as_fastapi_reads_it(query: str, status: int) -> None:
    by_fastapi, by_call = await _answers(query, {"If-None-Match": '"x"'})
    assert by_call == by_fastapi
    assert by_call[0] == status


async def test_a_header_that_is_not_sent_has_its_default() -> None:
    by_fastapi, by_call = await _answers("?source=a", {})
    assert by_call == by_fastapi
    assert by_call[1].endswith(b" none")


def test_what_is_polled_is_plain() -> None:
    """FastAPI's own handlers are functions of its own module."""
    app = create_app(Settings())
    polled = ("/v1/live", "/v1/emissions", "/v1/readings", "/v1/alerts", "/v1/overview")
    for path in polled:
        handlers = {
            route.get_route_handler().__module__
            for router in app.router.routes
            for route in getattr(getattr(router, "original_router", None), "routes", ())
            if route.path == path and "GET" in route.methods
        }
        assert handlers == {calls.__name__}, path
