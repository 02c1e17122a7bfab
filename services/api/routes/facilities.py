"""``/v1/facilities``: which facilities and sources there are, and how they are configured."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader, Writer, no_facility, visible_facilities
from services.api.context import InContext
from services.api.http.answers import json_answer, next_link
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    documented,
)
from services.api.models.models import Applied, Facility, Retired
from services.api.registry_write import write
from services.core.accounting.factors import Factor
from services.core.facility.checks import doubts
from services.core.facility.errors import ApplyError
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.model import FacilityFile
from services.core.store.answers.facility_queries import devices
from services.core.store.database.connect import engine
from services.core.store.operations.apply_facility import AppliedFacility, apply_facility
from services.core.store.operations.retire_facility import look_up, retire_facility
from services.core.store.registry import applied_file
from services.core.store.registry.grants import NotGrantedError
from services.core.store.registry.shared_factors import shared_factors

router = APIRouter(tags=["facilities"])


class FacilitiesQuery(Query):
    """Parameters of ``GET /v1/facilities``."""

    retired: bool = Field(False, description="list those that are retired too")
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
    """Facilities with their active sources and devices, by id."""
    found = await visible_facilities(context, who, [])
    rows = [
        f
        for f in found
        if (query.retired or f.retired_at is None)
        and (query.cursor is None or f.slug > query.cursor)
    ]
    page = rows[: query.limit]
    async with context.engine.connect() as connection:
        by_facility = await devices(connection, [f.id for f in page])
    answer = json_answer(
        [
            {
                "id": f.slug,
                "name": f.name,
                "timezone": f.timezone,
                "retired_at": f.retired_at,
                "sources": [
                    {"id": s.slug, "name": s.name, "scope": s.scope, "method": s.method}
                    for s in f.sources
                ],
                "devices": [
                    {
                        "id": d.slug,
                        "name": d.name,
                        "last_seen": d.last_seen,
                        "online": d.online,
                        "status_at": d.status_at,
                    }
                    for d in by_facility[f.id]
                ],
            }
            for f in page
        ]
    )
    if len(rows) > len(page):
        answer.headers["Link"] = next_link(
            "/v1/facilities",
            **({"retired": "true"} if query.retired else {}),
            limit=query.limit,
            cursor=page[-1].slug,
        )
    return answer


class ApplyQuery(Query):
    """Parameters of ``PUT /v1/facilities/{facility}``."""

    dry_run: bool = Field(False, description="show what would change, and change nothing")


@router.get(
    "/v1/facilities/{facility}",
    summary="A facility file as applied",
    response_class=Response,
    responses={
        **documented(Forbidden, NotFound),
        200: {"content": {"application/yaml": {"schema": {"type": "string"}}}},
    },
)
async def get_facility(context: InContext, who: Writer, facility: str) -> Response:
    """Give the text that was applied, with its comments; applied again, it changes nothing.

    It names where alerts are sent, so it takes a key that may write.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    async with context.engine.connect() as connection:
        row = (await connection.execute(applied_file.of(facility))).one_or_none()
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
    who: Writer,
    request: Request,
    facility: str,
    query: Annotated[ApplyQuery, FromQuery()],
) -> Response:
    """Put a facility file, YAML or JSON, into force: all of it or, if any is wrong, nothing.

    With a key that is limited to facilities the file may name the topics below
    `emissions/{facility}/`, and other topics and secrets as far as an admin granted them.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    database = context.settings.database
    shared = await run_in_threadpool(_shared, database)
    body = await request.body()
    file = await run_in_threadpool(_parse, body, shared, context.settings.file_bytes)
    if file.facility.id != facility:
        raise InvalidRequest(
            f"facility.id: the file is of {file.facility.id}, the address names {facility}"
        )
    applied = await run_in_threadpool(
        _apply,
        database,
        file,
        body.decode(),
        who.name,
        limited=who.facilities is not None,
        dry_run=query.dry_run,
    )
    return json_answer(
        {
            "changes": applied.changes,
            "warnings": [*doubts(file, shared), *applied.warnings],
            "restated": applied.restated,
            "dry_run": query.dry_run,
        }
    )


class RetireQuery(Query):
    """Parameters of ``DELETE /v1/facilities/{facility}``."""

    dry_run: bool = Field(False, description="show what would be retired, and change nothing")
    reason: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="why; kept with the retirement",
        examples=["kiln sold"],
    )


@router.delete(
    "/v1/facilities/{facility}",
    summary="Retire a facility",
    response_model=Retired,
    responses=documented(Forbidden, NotFound),
)
async def delete_facility(
    context: InContext, who: Writer, facility: str, query: Annotated[RetireQuery, FromQuery()]
) -> Response:
    """Take a facility out of force; its history stays, and can be asked for as before.

    What its devices still send goes to quarantine. Its running hours are closed, its open alerts
    end and that is told, and it leaves live totals and streams. A second call answers the same.
    Applying its file again brings it back. Deleting its data is for the command line alone:
    `tonne remove FACILITY --purge`.
    """
    (named,) = await visible_facilities(context, who, [facility])
    found = await write(
        context,
        lambda connection: (
            look_up(connection, named.slug)
            if query.dry_run
            else retire_facility(connection, named.slug, by=who.name, reason=query.reason)
        ),
    )
    retirement = found.retirement
    return json_answer(
        {
            "facility": found.slug,
            "name": found.name,
            "retired_at": None if retirement is None else retirement.at,
            "retired_by": None if retirement is None else retirement.by,
            "reason": None if retirement is None else retirement.reason,
            "devices": found.devices,
            "sources": found.sources,
            "thresholds": found.thresholds,
            "dry_run": query.dry_run,
        }
    )


def _shared(database_url: str) -> list[Factor]:
    bind = engine(database_url, process="apply")
    try:
        with bind.begin() as connection:
            return shared_factors(connection)
    finally:
        bind.dispose()


def _parse(body: bytes, shared: list[Factor], most_bytes: int) -> FacilityFile:
    try:
        return parse(body.decode(), shared, most_bytes=most_bytes)
    except UnicodeDecodeError:
        raise InvalidRequest("body: a facility file is UTF-8 text") from None
    except FacilityFileError as error:
        raise InvalidRequest(
            str(error),
            errors=[{"line": p.line, "message": p.message} for p in error.problems],
        ) from None


def _apply(
    database_url: str, file: FacilityFile, text: str, by: str, *, limited: bool, dry_run: bool
) -> AppliedFacility:
    # the API reads with a role that may not write; configuration is the one exception
    bind = engine(database_url, process="apply")
    try:
        with bind.connect() as connection, connection.begin() as transaction:
            applied = apply_facility(connection, file, text=text, by=by, limited=limited)
            if dry_run:
                transaction.rollback()
            return applied
    except NotGrantedError as error:
        raise Forbidden(str(error)) from None
    except ApplyError as error:
        raise Conflict(str(error)) from None
    finally:
        bind.dispose()
