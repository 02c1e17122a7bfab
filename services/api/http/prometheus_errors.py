"""Errors below ``/prometheus/`` in the words that Prometheus' clients read."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.admission.gate import PROMETHEUS
from services.api.http.problems import (
    MEDIA_TYPE,
    Busy,
    DatabaseAway,
    Forbidden,
    InvalidRequest,
    Malformed,
    Problem,
    TooManyRequests,
    TooSlow,
    Unauthenticated,
)


class BadQuery(Problem):
    """The query is not PromQL, or not of the part that is spoken here."""

    slug, title, status = "bad-query", "Bad query", 400


class Unexecutable(Problem):
    """The query's series do not fit together, or are too many."""

    slug, title, status = "execution", "Query failed", 422


#: Prometheus' names of errors, by status; of others it is the closest.
_ERROR_TYPES: Final = {400: "bad_data", 401: "unauthorized", 403: "forbidden", 404: "not_found",
                       413: "bad_data", 422: "execution", 429: "too_many_requests",
                       500: "internal", 503: "unavailable"}  # fmt: skip
#: What a status is elsewhere, and here.
_ERROR_TYPE_OF: Final = {TooSlow.slug: "timeout"}
_BAD_DATA: Final = {InvalidRequest.slug: 400}


class PrometheusError(BaseModel):
    """An error as Prometheus' calls answer it."""

    status: Literal["error"]
    error_type: str = Field(alias="errorType", examples=["bad_data"])
    error: str = Field(
        examples=['invalid parameter "query": parse error: unclosed left parenthesis']
    )


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the errors that a call may answer with."""
    anywhere = (Malformed, Unauthenticated, Forbidden, TooManyRequests, Busy, TooSlow, DatabaseAway)
    by_status: dict[int, list[str]] = {}
    all_problems: tuple[type[Problem], ...] = (*problems, *anywhere)
    for problem in all_problems:
        by_status.setdefault(problem.status, []).append(problem.title)
    return {
        status: {"description": "; ".join(titles), "model": PrometheusError}
        for status, titles in by_status.items()
    }


class PrometheusErrors:
    """Answer problems below ``/prometheus/`` as Prometheus does its errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(PROMETHEUS):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _answer(start, body)(scope, receive, send)

        await self._app(scope, receive, translated)


def _is_problem(message: Message) -> bool:
    return (b"content-type", MEDIA_TYPE.encode()) in message["headers"]


def _answer(start: Message, body: bytes) -> JSONResponse:
    problem = json.loads(body)
    slug = problem["type"].rpartition(":")[2]
    status: int = _BAD_DATA.get(slug) or start["status"]
    headers = {
        name.decode(): value.decode()
        for name, value in start["headers"]
        if name not in {b"content-type", b"content-length"}
    }
    error_type = _ERROR_TYPE_OF.get(slug) or _ERROR_TYPES.get(status, "internal")
    return JSONResponse(
        {"status": "error", "errorType": error_type, "error": problem["detail"]},
        status_code=status,
        headers=headers,
    )
