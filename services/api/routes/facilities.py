"""``/v1/facilities``: facilities, their sources and devices, and their configuration."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Engineer, Reader, no_facility, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch, Validator
from services.api.models.facilities import (
    Applied,
    Facility,
    FacilityDevice,
    FacilitySource,
    Retired,
)
from services.core.accounting.factors import Factor
from services.core.facility.checks import warnings
from services.core.facility.file import parse
from services.core.facility.model import FacilityFile
from services.core.store.answers.answer_states import devices_state
from services.core.store.answers.facility_queries import FacilityRow, devices
from services.core.store.operations.apply_facility import apply_facility
from services.core.store.operations.retire_facility import look_up, retire_facility
from services.core.store.registry import applied_file
from services.core.store.registry.shared_factors import shared_factors

router = APIRouter(tags=["facilities"])


class FacilitiesQuery(Query):
    """Parameters of ``GET /v1/facilities``."""

    retired: bool = Field(False, description="list retired facilities too")
    limit: int = Field(1000, ge=1, le=10_000, description="maximum number of facilities")
    cursor: CursorText = None
    format: TextFormat = None


class _Place(NamedTuple):
    facility: str


_PAGES: Pages[FacilityRow, _Place] = Pages(
    "/v1/facilities", Cursor(_Place), lambda row: _Place(row.slug)
)
_FACILITY, _SOURCE, _DEVICE = Shape(Facility), Shape(FacilitySource), Shape(FacilityDevice)


@router.get(
    "/v1/facilities",
    summary="List facilities",
    response_model=list[Facility],
    responses=_FACILITY.documented(
        "Rows by id. JSON or, with `Accept: text/csv`, CSV, where sources and devices are their"
        " ids."
    )
    | NOT_MODIFIED,
)
async def get_facilities(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[FacilitiesQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List the facilities that the key can see, with active sources and devices, by id."""
    after = _PAGES.after(query)
    facilities = await visible_facilities(context, who, [])
    rows = [
        f
        for f in facilities
        if (query.retired or f.retired_at is None) and (after is None or f.slug > after.facility)
    ]
    listed = _PAGES.page(rows, query)
    ids = [f.id for f in listed.rows]
    async with context.database.read() as connection:
        state = await devices_state(connection, ids)
        # with the rows that were read before it: they may be of an earlier state
        validator = Validator("facilities", request.url.query, listed.rows, listed.headers, state)
        if validator.holds(if_none_match):
            return validator.not_modified()
        by_facility = await devices(connection, ids)
    return rows_answer(
        [
            _FACILITY.row(
                f,
                id=f.slug,
                sources=[_SOURCE.row(s, id=s.slug) for s in f.sources],
                devices=[_DEVICE.row(d, id=d.slug) for d in by_facility[f.id]],
            )
            for f in listed.rows
        ],
        _FACILITY,
        accept=accept,
        name=query.format,
        headers={**listed.headers, **validator.headers},
    )


class ApplyQuery(Query):
    """Parameters of ``PUT /v1/facilities/{facility}``."""

    dry_run: bool = Field(False, description="return what would change, without changing anything")


@router.get(
    "/v1/facilities/{facility}",
    summary="Get a facility file",
    response_class=Response,
    responses={
        **documented(Forbidden, NotFound),
        200: {"content": {"application/yaml": {"schema": {"type": "string"}}}},
    },
)
async def get_facility(context: InContext, who: Engineer, facility: str) -> Response:
    """Return the file as it was applied, with its comments; applying it again changes nothing.

    The file names the recipients of alerts, so this needs a key with the scope `write`.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    async with context.database.read() as connection:
        row = (await connection.execute(applied_file.statement(facility))).one_or_none()
    if row is None:
        raise no_facility(facility)
    text = await run_in_threadpool(applied_file.text, row)
    return Response(text, media_type="application/yaml")


@router.put(
    "/v1/facilities/{facility}",
    summary="Apply a facility file",
    response_model=Applied,
    responses=documented(Forbidden, NotFound, Conflict, BodyTooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/yaml": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    },
)
async def put_facility(
    context: InContext,
    who: Engineer,
    request: Request,
    facility: str,
    query: Annotated[ApplyQuery, FromQuery()],
) -> Response:
    """Apply a facility file, YAML or JSON: all of it, or nothing if it has an error.

    With a key that is limited to facilities, the file may name topics below
    `emissions/{facility}/`, and other topics and secrets that an admin granted.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    database = context.database
    async with database.read() as connection:
        shared = await connection.run_sync(shared_factors)
    body = await request.body()
    file = await run_in_threadpool(_parse, body, shared, context.settings.file_bytes)
    if file.facility.id != facility:
        raise InvalidRequest(
            f"facility.id: the file names {file.facility.id}, the address names {facility}"
        )
    limited = who.facilities is not None
    applied = await database.write(
        lambda connection: apply_facility(
            connection, file, text=body.decode(), by=who.name, limited=limited
        ),
        address=who.address,
        dry_run=query.dry_run,
    )
    of_file = await run_in_threadpool(lambda: list(warnings(file, shared)))
    return json_answer(
        {
            "changes": applied.changes,
            "warnings": [*of_file, *applied.warnings],
            "restated": applied.restated,
            "dry_run": query.dry_run,
        }
    )


class RetireQuery(Query):
    """Parameters of ``DELETE /v1/facilities/{facility}``."""

    dry_run: bool = Field(False, description="return what would be retired, without retiring it")
    reason: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="reason, kept with the retirement",
        examples=["kiln sold"],
    )


_RETIRED = Shape(Retired)


@router.delete(
    "/v1/facilities/{facility}",
    summary="Retire a facility",
    response_model=Retired,
    responses=documented(Forbidden, NotFound),
)
async def delete_facility(
    context: InContext, who: Engineer, facility: str, query: Annotated[RetireQuery, FromQuery()]
) -> Response:
    """Take a facility out of force; its history is kept and can be queried as before.

    Messages that its devices still send go to quarantine. Its open hours are closed, its open
    alerts end and recipients are notified, and it leaves live totals and streams. A second call
    returns the same. Applying its file again brings it back. Only the command line can delete its
    data: `tonne remove FACILITY --purge`.
    """
    (named,) = await visible_facilities(context, who, [facility])
    removed = await context.database.write(
        lambda connection: (
            look_up(connection, named.slug)
            if query.dry_run
            else retire_facility(connection, named.slug, by=who.name, reason=query.reason)
        ),
        address=who.address,
    )
    retirement = removed.retirement
    return json_answer(
        _RETIRED.row(
            removed,
            facility=removed.slug,
            retired_at=None if retirement is None else retirement.instant,
            retired_by=None if retirement is None else retirement.by,
            reason=None if retirement is None else retirement.reason,
            dry_run=query.dry_run,
        )
    )


def _parse(body: bytes, shared: list[Factor], max_bytes: int) -> FacilityFile:
    try:
        return parse(body.decode(), shared, max_bytes=max_bytes)
    except UnicodeDecodeError:
        raise InvalidRequest("body: a facility file must be UTF-8 text") from None
