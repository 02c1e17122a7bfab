"""What other layers raise, as problems: requests that fail validation, the database, the store.

The one place where this is decided: routes catch nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from services.api.http import validation
from services.api.http.problems import (
    Archived,
    ChangedMeanwhile,
    Conflict,
    DatabaseAway,
    Forbidden,
    Internal,
    InvalidRequest,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Problem,
    ProblemDetails,
    TooSlow,
)
from services.api.http.prometheus_errors import BadQuery, Unexecutable
from services.api.languages.reader import translate
from services.api.prometheus.refusals import BadQueryError, ExecutionError
from services.core.accounting.emission_report.period import NotBegunError
from services.core.accounting.hj212.frames import FrameError
from services.core.facility.editing.document import EditError
from services.core.facility.errors import ApplyError, FacilityFileError
from services.core.facility.value_plausibility import ImplausibleValueError
from services.core.store.alerts.outbox import NotifierAwayError
from services.core.store.alerts.threshold_changes import UnusableError
from services.core.store.answers.explain import NothingKnownError
from services.core.store.candidates.decisions import NoSuchCandidateError
from services.core.store.database.schema_version import SchemaError
from services.core.store.factor_series.names import UnknownSeriesError
from services.core.store.factor_series.record import FutureValueError
from services.core.store.operations.adopt_device import AdoptionError
from services.core.store.operations.retire_facility import UnknownFacilityError
from services.core.store.people.passwords import PasswordError
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.registry.apply_thresholds import OwnedElsewhereError
from services.core.store.registry.file_versions import StaleVersionError
from services.core.store.registry.grants import NotGrantedError

log = structlog.get_logger()

#: What reading and writing may raise because of the database, or of what it was given.
DATABASE_ERRORS: Final = (
    psycopg.Error,
    UnicodeEncodeError,
    DBAPIError,
    PoolTimeoutError,
    SchemaError,
    OSError,
)

#: What the store refuses, with its reason as the message.
_REFUSALS: Final[dict[type[Exception], type[Problem]]] = {
    NothingKnownError: NotFound,
    OwnedElsewhereError: Conflict,
    UnusableError: InvalidRequest,
    EditError: InvalidRequest,
    NotGrantedError: Forbidden,
    ApplyError: Conflict,
    ArchivedDayError: Archived,
    UnknownSeriesError: NotFound,
    FutureValueError: InvalidRequest,
    ImplausibleValueError: InvalidRequest,
    PasswordError: InvalidRequest,
    StaleVersionError: ChangedMeanwhile,
    NotifierAwayError: Conflict,
    FrameError: InvalidRequest,
    NotBegunError: InvalidRequest,
    AdoptionError: InvalidRequest,
    NoSuchCandidateError: NotFound,
    BadQueryError: BadQuery,
    ExecutionError: Unexecutable,
}

#: The same without their problems.
REFUSALS: Final[tuple[type[Exception], ...]] = tuple(_REFUSALS)

#: PostgreSQL's SQLSTATE for a statement that ran into statement_timeout
_QUERY_CANCELED: Final = "57014"
#: and for one that ran into lock_timeout
_LOCKED: Final = "55P03"
#: PostgreSQL's SQLSTATEs of a server that only reads for now, as after a failover, and of a
#: transaction that it ended because it took too long. psycopg counts both among faults of its own.
_FOR_NOW: Final = frozenset({"25006", "25P03", "25P04"})
#: PostgreSQL's SQLSTATEs for characters that its texts cannot hold
_NO_TEXT: Final = frozenset({"22021", "22P05"})


def _from_http(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return NotFound("Unknown path; GET /v1/openapi.json lists every call.")
    if error.status_code == 405:
        return MethodNotAllowed(
            "The path does not support this method; GET /v1/openapi.json lists every call.",
            headers=error.headers,
        )
    return InvalidRequest(str(error.detail), headers=error.headers)


def _from_file(error: FacilityFileError) -> Problem:
    errors = [
        {
            "line": problem.line,
            "column": problem.column,
            "path": problem.path,
            "message": translate(problem.message),
        }
        for problem in error.problems
    ]
    # all together may be too long to be translated as one text
    detail = "; ".join(translate(str(problem)) for problem in error.problems)
    return InvalidRequest(detail, errors=errors)


def _from_refusal(error: Exception) -> Problem:
    kind = next(_REFUSALS[kind] for kind in type(error).__mro__ if kind in _REFUSALS)
    return kind(str(error))


def _from_unknown(_error: UnknownFacilityError) -> Problem:
    # its text may name facilities that the key cannot see
    return NotFound("The facility no longer exists; GET /v1/facilities lists facilities.")


def from_database(error: Exception) -> Problem:
    """Return the problem that one of ``DATABASE_ERRORS`` means to the caller."""
    if isinstance(error, SchemaError):
        return DatabaseAway(f"No data is lost; {error}.")
    cause = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate == _QUERY_CANCELED:
        return TooSlow()
    if sqlstate == _LOCKED:
        return TooSlow("Something else locks what this call changes; try again in a few seconds.")
    # without a state it is psycopg that refuses to send what it was given
    is_unsent = isinstance(cause, psycopg.DataError) and sqlstate is None
    if sqlstate in _NO_TEXT or is_unsent or isinstance(error, UnicodeEncodeError):
        return Malformed("A text contains NUL or half of a surrogate pair, which cannot be stored.")
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    if (
        is_cut
        or sqlstate in _FOR_NOW
        or isinstance(
            error,
            OperationalError
            | InterfaceError
            | psycopg.OperationalError
            | psycopg.InterfaceError
            | PoolTimeoutError
            | OSError,
        )
    ):
        return DatabaseAway()
    return Internal("See the log of tonne's API.")


def passes(error: Exception) -> bool:
    """Return whether one of ``DATABASE_ERRORS`` will be over without anything being mended here."""
    return isinstance(from_database(error), DatabaseAway | TooSlow)


def problem_of(error: Exception, request: Request) -> Problem:
    """Return the problem that an error means to the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return validation.problem(error, request)
    for kinds, problem in _TRANSLATIONS:
        if isinstance(error, kinds):
            return problem(error)
    return Internal("See the log of tonne's API.")


#: The first that fits is taken.
_TRANSLATIONS: Final[Sequence[tuple[tuple[type[Exception], ...], Callable[[Any], Problem]]]] = (
    ((HTTPException,), _from_http),
    ((FacilityFileError,), _from_file),
    ((UnknownFacilityError,), _from_unknown),
    (REFUSALS, _from_refusal),
    (DATABASE_ERRORS, from_database),
)


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error, request)
    if isinstance(error, DATABASE_ERRORS):
        log.warning("request_failed", path=request.url.path, problem=problem.slug, error=str(error))
    elif isinstance(problem, Internal):
        log.error("request_failed", path=request.url.path, exc_info=error)
    return problem.response()


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem, and its specification say so."""
    without_problems = app.openapi

    def specification() -> dict[str, Any]:
        document = without_problems()
        schemas = document["components"]["schemas"]
        schemas.setdefault("ProblemDetails", ProblemDetails.model_json_schema())
        return document

    app.openapi = specification  # type: ignore[method-assign]  # FastAPI's way to extend it
    for kinds, _ in (*_TRANSLATIONS, ((Problem, RequestValidationError, Exception), None)):
        for kind in kinds:
            app.add_exception_handler(kind, _answer)
