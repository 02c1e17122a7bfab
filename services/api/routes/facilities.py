"""``/v1/facilities``: facilities with their sources and devices; files have their own module."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Engineer, Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages
from services.api.http.parameters import Query
from services.api.http.problems import (
    Forbidden,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch, Validator
from services.api.models.facilities import (
    Facility,
    FacilityDevice,
    FacilitySource,
    Retired,
)
from services.core.store.answers.answer_states import devices_state
from services.core.store.answers.facility_queries import FacilityRow, devices
from services.core.store.operations.retire_facility import look_up, retire_facility

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
