"""Every error the API answers with, as RFC 9457 problem details: one type each, all of them here.

Raise a :class:`Problem` anywhere in a request; what other layers raise is translated here too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

#: PostgreSQL's SQLSTATE for a statement that ran into statement_timeout
_QUERY_CANCELED = "57014"
#: PostgreSQL's SQLSTATEs for characters that its texts cannot hold
_NO_TEXT = frozenset({"22021", "22P05"})


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Something the caller should know; subclasses fix type, title and status."""

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The problem's members."""
        return {
            "type": f"urn:tonne:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **({"errors": self.errors} if self.errors else {}),
        }

    def response(self) -> Response:
        """The answer that tells of this problem."""
        return JSONResponse(
            self.body(),
            status_code=self.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


class Malformed(Problem):
    """Text that no call can use, or a cursor that no answer gave."""

    slug, title, status = "malformed", "The request is malformed", 400


class InvalidRequest(Problem):
    """A parameter or body that cannot be used."""

    slug, title, status = "invalid-request", "The request cannot be understood", 422


class TooManyRows(Problem):
    """An answer that would be longer than one answer may be."""

    slug, title, status = "too-many-rows", "The answer would be too long", 422


class Unauthenticated(Problem):
    """No key, or one that is unknown, expired or revoked."""

    slug, title, status = "unauthenticated", "A valid API key is needed", 401

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tonne"'})


class Forbidden(Problem):
    """A key without the scope that the call needs."""

    slug, title, status = "forbidden", "The API key does not allow this", 403


class NotFound(Problem):
    """No such page, facility, source or hour; or one that the key may not see."""

    slug, title, status = "not-found", "There is no such thing", 404


class FacilityRetired(Problem):
    """Live totals of a facility that is retired; its history is still there."""

    slug, title, status = "facility-retired", "The facility is retired", 410


class MethodNotAllowed(Problem):
    """A path that does not know the method."""

    slug, title, status = "method-not-allowed", "The method is not offered here", 405


class NotAcceptable(Problem):
    """A media type that is not offered."""

    slug, title, status = "not-acceptable", "The media type is not offered", 406


class Conflict(Problem):
    """A change that contradicts what is stored."""

    slug, title, status = "conflict", "The change contradicts what is stored", 409


class BodyTooLarge(Problem):
    """A request body above the limit."""

    slug, title, status = "body-too-large", "The request body is too large", 413


class HeadTooLarge(Problem):
    """The head of a request above the limit."""

    slug, title, status = "head-too-large", "The head of the request is too large", 431


class RequestTimeout(Problem):
    """A request that did not arrive in time."""

    slug, title, status = "request-timeout", "The request did not arrive in time", 408


class TooManyConnections(Problem):
    """More connections than all, or one address, may have open."""

    slug, title, status = "too-many-connections", "Too many connections are open", 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "10"})


class CrossSite(Problem):
    """A change that a page of another site could have sent without its user knowing."""

    slug, title, status = "cross-site", "Another site may not ask for this", 403


class MisdirectedHost(Problem):
    """A host name that an unauthenticated API does not answer to."""

    slug, title, status = "misdirected", "The host name is not this machine's", 421


class TooManyRequests(Problem):
    """More than one key, or one address without a key, may ask for."""

    slug, title, status = "too-many-requests", "Too much is asked for at once", 429

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))})


class TooManyStreams(Problem):
    """More open live streams than one process serves."""

    slug, title, status = "too-many-streams", "Too many live streams are open", 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "10"})


class TooManyStreamsOfOne(TooManyStreams):
    """More open live streams than one key or address may hold; others may open more."""

    status = 429


class Busy(Problem):
    """A request that waited for its turn as long as it may."""

    slug, title, status = "busy", "There was no turn in time", 503

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})


class DatabaseAway(Problem):
    """The database cannot be reached."""

    slug, title, status = "database-away", "The database cannot be reached", 503

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer; nothing is lost, try again in a few seconds.",
            headers={"Retry-After": "2"},
        )


class TooSlow(Problem):
    """A query that ran into the time limit."""

    slug, title, status = "too-slow", "The query took too long", 503

    def __init__(self) -> None:
        super().__init__(
            "The query was stopped at its time limit; ask for a shorter time span, a coarser"
            " interval or fewer sources.",
            headers={"Retry-After": "5"},
        )


class Internal(Problem):
    """A fault of tonne itself."""

    slug, title, status = "internal", "Something went wrong inside tonne", 500


class ProblemDetails(BaseModel):
    """RFC 9457 problem details, as the specification shows them."""

    type: str = Field(examples=["urn:tonne:problem:not-found"])
    title: str = Field(examples=["There is no such thing"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no facility linz; GET /v1/facilities lists them."])
    errors: list[dict[str, Any]] | None = Field(
        None, description="each parameter that is wrong, with what is accepted"
    )


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that a call may answer with."""
    by_status: dict[int | str, list[type[Problem]]] = {}
    wanted: tuple[type[Problem], ...] = (
        *problems,
        Malformed,
        Unauthenticated,
        Forbidden,
        InvalidRequest,
        TooManyRequests,
        Busy,
        TooSlow,
        DatabaseAway,
    )
    for problem in wanted:
        by_status.setdefault(problem.status, []).append(problem)
    return {
        status: {
            "description": "; ".join(p.title for p in found),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                    "examples": {
                        p.slug: {
                            "value": {
                                "type": f"urn:tonne:problem:{p.slug}",
                                "title": p.title,
                                "status": p.status,
                                "detail": (p.__doc__ or "").strip(),
                            }
                        }
                        for p in found
                    },
                }
            },
        }
        for status, found in by_status.items()
    }


def _from_validation(error: RequestValidationError) -> Problem:
    errors = []
    for item in error.errors():
        where, *path = (str(part) for part in item["loc"])
        name = ".".join(path) or where
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "is not a parameter of this call"
        elif item["type"] == "missing":
            message = "is required"
        errors.append({"parameter": name, "message": message})
    return InvalidRequest(
        "; ".join(f"{e['parameter']}: {e['message']}" for e in errors), errors=errors
    )


def _from_http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return NotFound("There is nothing at this path; GET /v1/openapi.json lists every call.")
    if error.status_code == 405:
        return MethodNotAllowed(
            "This path does not offer the method; GET /v1/openapi.json lists every call.",
            headers=error.headers,
        )
    return InvalidRequest(str(error.detail), headers=error.headers)


def from_database(error: Exception) -> Problem:
    """The problem that an error of the database means to the caller."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate == _QUERY_CANCELED:
        return TooSlow()
    # without a state it is psycopg that refuses to send what it was given
    is_unsent = isinstance(cause, psycopg.DataError) and sqlstate is None
    if sqlstate in _NO_TEXT or is_unsent or isinstance(error, UnicodeEncodeError):
        return Malformed("A text holds NUL or half of a character, which cannot be stored.")
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    if is_cut or isinstance(
        error,
        OperationalError
        | InterfaceError
        | psycopg.OperationalError
        | psycopg.InterfaceError
        | PoolTimeoutError
        | OSError,
    ):
        return DatabaseAway()
    return Internal("The error is in the log of tonne's API.")


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem, and its specification say so."""
    without_problems = app.openapi

    def specification() -> dict[str, Any]:
        document = without_problems()
        schemas = document["components"]["schemas"]
        schemas.setdefault("ProblemDetails", ProblemDetails.model_json_schema())
        return document

    app.openapi = specification  # type: ignore[method-assign]  # FastAPI's way to extend it

    @app.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        return _from_validation(error).response()

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        return _from_http(error).response()

    @app.exception_handler(psycopg.Error)
    @app.exception_handler(UnicodeEncodeError)
    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(OSError)
    async def _database(request: Request, error: Exception) -> Response:
        problem = from_database(error)
        log.warning("request_failed", path=request.url.path, problem=problem.slug, error=str(error))
        return problem.response()

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return Internal("The error is in the log of tonne's API.").response()
