"""``/v1/factors``: the emission factors that every facility can use."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Engineer, Reader, no_facility
from services.api.context import InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import Query, SlugList
from services.api.http.problems import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch, Validator
from services.api.models.factors import FactorVersion, ValuesRecorded
from services.core.accounting.builtin_factors import builtin_factors, lines
from services.core.accounting.factor_publications import publications
from services.core.accounting.factor_search import search
from services.core.accounting.factor_tables import write_gases
from services.core.facility.value_file import FactorValues, read_csv, read_json
from services.core.store.answers.answer_states import registry_revision
from services.core.store.answers.factor_versions import ListedFactor, Place, factor_versions
from services.core.store.factor_series.bring import bring

router = APIRouter(tags=["factors"])

_ROWS = Shape(FactorVersion)
_RECORDED = Shape(ValuesRecorded)

#: The body of values in JSON.
_VALUES = {
    "type": "object",
    "required": ["values"],
    "properties": {
        "values": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["hour", "co2_kg"],
                "properties": {
                    "hour": {
                        "type": "string",
                        "format": "date-time",
                        "description": "its first instant",
                    },
                    "co2_kg": {
                        "type": ["number", "null"],
                        "description": "per unit, CO2 and CO2e; `null` withdraws the value",
                    },
                    "known_at": {
                        "type": "string",
                        "format": "date-time",
                        "description": "since when it could be known; default: now",
                    },
                },
            },
        }
    },
    "example": {"values": [{"hour": "2026-11-23T18:00:00Z", "co2_kg": 0.212}]},
}
_PAGES: Pages[ListedFactor, Place] = Pages("/v1/factors", Cursor(Place), lambda row: row.place)


class FactorsQuery(Query):
    """Parameters of ``GET /v1/factors``."""

    factor: Annotated[
        SlugList, Field(description="factor ids; none: all", examples=[["grid-gb"]])
    ] = Field([])
    search: str | None = Field(
        None,
        max_length=200,
        description="words that say what, where and of which year",
        examples=["diesel germany 2026"],
    )
    superseded: bool = Field(
        False, description="true: also versions that another figure took the place of"
    )
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/factors",
    summary="List emission factors",
    response_model=list[FactorVersion],
    responses=_ROWS.documented(
        "Rows by factor, one for each version. JSON or, with `Accept: text/csv`, CSV."
    )
    | NOT_MODIFIED,
)
async def get_factors(
    request: Request,
    context: InContext,
    _: Reader,
    query: Annotated[FactorsQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List the factors that every facility can use, built-in and imported ones."""
    after = _PAGES.after(query)
    async with context.database.read() as connection:
        revision = await registry_revision(connection)
    validator = Validator("factors", request.url.query, accept, revision)
    if validator.holds(if_none_match):
        return validator.not_modified()
    names = set(query.factor) if query.factor else None
    if query.search is not None:
        matching = {match.id for match in await asyncio.to_thread(search, query.search)}
        names = matching if names is None else names & matching
    # reading the release's tables for the first time would hold up every stream
    await asyncio.to_thread(builtin_factors)
    async with context.database.read() as connection:
        rows = await connection.run_sync(
            lambda sync: factor_versions(
                sync,
                names=names,
                superseded=query.superseded,
                after=after,
                limit=query.limit + 1,
            )
        )
    listed = _PAGES.page(rows, query)
    return rows_answer(
        [_row(row) for row in listed.rows],
        _ROWS,
        accept=accept,
        name=query.format,
        headers={**listed.headers, **validator.headers},
    )


class ValuesQuery(Query):
    """Parameters of ``POST /v1/factors/{factor}/values``."""

    facility: str | None = Field(
        None,
        description="facility whose factor it is; none: one that every facility can use",
        examples=["linz"],
    )


@router.post(
    "/v1/factors/{factor}/values",
    summary="Send values of a factor by the hour",
    response_model=ValuesRecorded,
    responses=documented(Forbidden, NotFound, BodyTooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _VALUES},
                "text/csv": {"schema": {"type": "string"}},
            },
        }
    },
)
async def post_values(
    context: InContext,
    who: Engineer,
    request: Request,
    factor: str,
    query: Annotated[ValuesQuery, FromQuery()],
) -> Response:
    """Record values of a series, JSON or, with `Content-Type: text/csv`, CSV: all of them, or none.

    An hour that has a value gets a new version; what used the old one is computed again.
    """
    if query.facility is not None and not who.sees(query.facility):
        raise no_facility(query.facility)
    if query.facility is None and who.facilities is not None:
        raise Forbidden(
            "A key that is limited to facilities sends values of their factors: name the facility."
        )
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    now = context.clock.now()
    values = await run_in_threadpool(_parsed, body, factor, now, is_csv=kind == "text/csv")
    recorded = await context.database.write(
        lambda connection: bring(connection, values, facility=query.facility, by=who.name),
        address=who.address,
    )
    return json_answer(_RECORDED.row(recorded))


def _parsed(body: bytes, factor: str, now: datetime, *, is_csv: bool) -> dict[str, FactorValues]:
    if not is_csv:
        return read_json(body, now, factor)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8: {error.reason}.") from None
    values = read_csv(text, now, factor)
    if other := next((name for name in values if name != factor), None):
        raise InvalidRequest(f"The address names {factor}, and a row is of {other}.")
    return values


def _row(row: ListedFactor) -> dict[str, Any]:
    factor = row.factor
    publication = publications().get(factor.publication)
    # a factor that no release brings any more stays, without what its table said of it
    stated = lines().get(factor.id, ()) if publication is not None else ()
    line = stated[-1] if stated else None
    return _ROWS.row(
        factor,
        name="" if line is None else line.cell("name"),
        region="" if line is None else line.cell("region"),
        gases=write_gases(factor.gases),
        co2e_kg=None if factor.is_series else factor.total_co2e_kg(),
        fallback=None if factor.fallback is None else " ".join(factor.fallback),
        origin="imported" if row.imported else "built-in",
        publisher="" if publication is None else publication.series.publisher,
        published=None if publication is None else publication.published,
        licence="" if publication is None else publication.licence,
        via="" if publication is None else publication.via or "",
    )
