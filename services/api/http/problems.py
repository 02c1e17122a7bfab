"""Every error the API answers with, as RFC 9457 problem details: one type each, all of them here.

Raise a :class:`Problem` anywhere in a request; what other layers raise becomes one in
:mod:`services.api.http.errors`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from services.api.http.every_answer import request_id
from services.api.languages.reader import translate

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Something the caller should know; subclasses set type, title and status."""

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    #: after so many seconds the client may try again
    retry_after_s: ClassVar[int | None] = None

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
        if self.retry_after_s is not None:
            self.headers["Retry-After"] = str(self.retry_after_s)

    def body(self) -> dict[str, Any]:
        """Build the members of the problem, in the reader's language."""
        return {
            "type": f"urn:tonne:problem:{self.slug}",
            "title": translate(self.title),
            "status": self.status,
            "detail": translate(self.detail),
            **({"errors": self.errors} if self.errors else {}),
            **({"request_id": name} if (name := request_id()) else {}),
        }

    def response(self) -> Response:
        """Build the answer."""
        return JSONResponse(
            self.body(),
            status_code=self.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


class Malformed(Problem):
    """The request holds text that no call accepts, or a cursor that no answer returned."""

    slug, title, status = "malformed", "Malformed request", 400


class InvalidRequest(Problem):
    """A parameter or the body is invalid."""

    slug, title, status = "invalid-request", "Invalid request", 422


class TooManyRows(Problem):
    """The answer would exceed the maximum number of rows."""

    slug, title, status = "too-many-rows", "Too many rows", 422


class Unauthenticated(Problem):
    """The API key is missing, unknown, expired or revoked."""

    slug, title, status = "unauthenticated", "Authentication required", 401

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tonne"'})


class SessionEnded(Problem):
    """The session of a browser has expired, was signed out of, or was ended."""

    slug, title, status = "session-ended", "Session ended", 401


class WrongPassword(Problem):
    """No account has this name and password."""

    slug, title, status = "wrong-password", "Wrong name or password", 401


class Forbidden(Problem):
    """The API key or the person lacks the right that the call requires."""

    slug, title, status = "forbidden", "Insufficient scope", 403


class NotFound(Problem):
    """The path or object does not exist, or the API key cannot see it."""

    slug, title, status = "not-found", "Not found", 404


class FacilityRetired(Problem):
    """The facility is retired and has no live totals; its history is still available."""

    slug, title, status = "facility-retired", "Facility retired", 410


class MethodNotAllowed(Problem):
    """The path does not support the method."""

    slug, title, status = "method-not-allowed", "Method not allowed", 405


class NotAcceptable(Problem):
    """The call does not offer the requested media type."""

    slug, title, status = "not-acceptable", "Media type not offered", 406


class Conflict(Problem):
    """The change contradicts what is stored."""

    slug, title, status = "conflict", "Conflict", 409


class ChangedMeanwhile(Problem):
    """Somebody else changed it since the version that `If-Match` names."""

    slug, title, status = "changed-meanwhile", "Changed meanwhile", 412


class Archived(Problem):
    """The readings are in the archive alone; an operator brings them back."""

    slug, title, status = "archived", "Readings are archived", 409


class BodyTooLarge(Problem):
    """The request body exceeds the limit."""

    slug, title, status = "body-too-large", "Request body too large", 413


class UnsupportedMedia(Problem):
    """The call takes no body of this media type or encoding."""

    slug, title, status = "unsupported-media", "Unsupported media type", 415


class HeadTooLarge(Problem):
    """The request line and headers exceed the limit."""

    slug, title, status = "head-too-large", "Request headers too large", 431


class RequestTimeout(Problem):
    """The request did not arrive in time."""

    slug, title, status = "request-timeout", "Request timed out", 408


class TooManyConnections(Problem):
    """The server, or the client's address, has too many open connections."""

    slug, title, status = "too-many-connections", "Too many connections", 503
    retry_after_s = 10


class CrossSite(Problem):
    """Another website could have sent this change without the user's knowledge."""

    slug, title, status = "cross-site", "Cross-site request refused", 403


class MisdirectedHost(Problem):
    """An API without authentication does not answer to this host name."""

    slug, title, status = "misdirected", "Host name not served", 421


class TooManyRequests(Problem):
    """The API key, or the address of a client without one, exceeds its rate limit."""

    slug, title, status = "too-many-requests", "Rate limit exceeded", 429

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))})


class TooManyStreams(Problem):
    """The server has too many open live streams."""

    slug, title, status = "too-many-streams", "Too many live streams", 503
    retry_after_s = 10


class TooManyStreamsOfOne(TooManyStreams):
    """The API key or address has too many open live streams."""

    status = 429


class Busy(Problem):
    """The server is busy and could not begin the request in time."""

    slug, title, status = "busy", "Server busy", 503
    retry_after_s = 5


class DatabaseAway(Problem):
    """The API cannot reach its database, or cannot use it at present."""

    slug, title, status = "database-away", "Database unavailable", 503
    retry_after_s = 2

    def __init__(
        self,
        detail: str = "The database does not answer. No data is lost; try again in a few seconds.",
    ) -> None:
        super().__init__(detail)


class CellAway(Problem):
    """One of several databases does not answer; facilities of the others are served."""

    slug, title, status = "cell-away", "Cell unavailable", 503
    retry_after_s = 2

    def __init__(self, cell: str, facilities: str, *, is_another: bool = False) -> None:
        """``is_another``: what answers in its place is the database of another cell, or of none."""
        if is_another:
            super().__init__(
                f"The database that is named as cell {cell} is another one: {facilities} cannot be"
                " served until an operator corrects TONNE_CELLS, or runs `tonne cells add` for it.",
            )
            return
        super().__init__(
            f"The database of cell {cell} does not answer: {facilities} cannot be served. No data"
            " is lost; try again in a few seconds, or name other facilities with ?facility=.",
        )


class FacilityMoving(Problem):
    """A facility is just moving to another database."""

    slug, title, status = "facility-moving", "Facility is moving", 503
    retry_after_s = 2

    def __init__(self, facilities: Sequence[str]) -> None:
        named = ", ".join(facilities) or "A facility"
        super().__init__(
            f"{named}: moving to another cell. No data is lost; try again in a moment."
        )


class FacilityInTwoCells(Problem):
    """Two databases have a facility of one id, as after a restore from before a move."""

    slug, title, status = "facility-in-two-cells", "Facility in two cells", 503

    def __init__(self, cells_of: Mapping[str, Sequence[str]]) -> None:
        named = "; ".join(f"{slug} in {' and '.join(cells)}" for slug, cells in cells_of.items())
        super().__init__(
            f"Several cells have a facility of one id: {named}. Nothing is answered of it until one"
            " of them is removed, for it would count twice; name other facilities with ?facility=.",
        )


class SeveralCells(Problem):
    """The call answers from one database, and what it asks for is in several."""

    slug, title, status = "several-cells", "Facilities of several cells", 422


class IngestAway(Problem):
    """Ingest takes no readings at present; nothing of the body was stored."""

    slug, title, status = "ingest-away", "Readings cannot be stored", 503
    retry_after_s = 5


class NotConfirmed(Problem):
    """Ingest did not answer: whether the readings were stored is not known."""

    slug, title, status = "not-confirmed", "Not confirmed", 503
    retry_after_s = 5


class TooSlow(Problem):
    """The query exceeded its time limit."""

    slug, title, status = "too-slow", "Query timed out", 503
    retry_after_s = 5

    def __init__(
        self,
        detail: str = "The query exceeded its time limit; request a shorter time span, a coarser"
        " interval or fewer sources.",
    ) -> None:
        super().__init__(detail)


class Internal(Problem):
    """tonne itself failed."""

    slug, title, status = "internal", "Internal error", 500


class ProblemDetails(BaseModel):
    """RFC 9457 problem details, as the specification shows them."""

    type: str = Field(examples=["urn:tonne:problem:not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        examples=["There is no facility linz; GET /v1/facilities lists facilities."]
    )
    errors: list[dict[str, Any]] | None = Field(
        None, description="every invalid parameter, with the reason"
    )
    request_id: str | None = Field(
        None,
        description="what log lines of this request have; the `X-Request-ID` that was sent, if it"
        " is of up to 64 letters, digits, `.`, `_`, `:` and `-`",
        examples=["0f3c9a4e6b1d4f0c8a5e7d2b9c1f6a3e"],
    )


def documented(*problems: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe, for OpenAPI, the problems that a call may answer with."""
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
            "description": "; ".join(p.title for p in problems),
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
                        for p in problems
                    },
                }
            },
        }
        for status, problems in by_status.items()
    }
