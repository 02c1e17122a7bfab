"""``/v1/thresholds``: what is watched."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import ValidationError

from services.api.auth import Engineer, Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.entries import Body, Entry, EntryId
from services.api.http.parameters import FacilitiesQuery, FacilityQuery
from services.api.http.problems import InvalidRequest, NotFound
from services.api.http.shapes import Shape
from services.api.models.alerts import ThresholdRow
from services.api.routes.entry_calls import EntryCalls
from services.core.facility import plain_words
from services.core.facility.thresholds import Threshold
from services.core.store.alerts import queries, threshold_changes
from services.core.timeline.durations import in_words, seconds

log = structlog.get_logger()

router = APIRouter(tags=["alerts"])

_ROWS = Shape(ThresholdRow)


def _take_for_s(body: Body) -> None:
    """Take ``for_s``, which GET shows beside ``for``, for ``for``."""
    if "for_s" in body and _seconds(body.setdefault("for", body["for_s"])) != _seconds(
        body["for_s"]
    ):
        raise InvalidRequest(
            f"for: {body['for']} and for_s: {body['for_s']} differ; omit one of them"
        )


def _seconds(duration: Any) -> float | None:
    """Read a duration; None: it is invalid, which the threshold's own check reports."""
    try:
        return seconds(duration)
    except ValueError:
        return None


def _as_by_default(threshold: Threshold) -> Threshold:
    """Leave ``projected`` and ``figure`` unset where they equal the defaults that GET shows."""
    defaults: dict[str, None] = {}
    if threshold.model_copy(update={"projected": None}).is_projected == threshold.is_projected:
        defaults["projected"] = None
    if threshold.model_copy(update={"figure": None}).mass == threshold.figure:
        defaults["figure"] = None
    return threshold.model_copy(update=defaults)


_CALLS = EntryCalls(
    "threshold",
    "a threshold",
    "/v1/thresholds",
    Entry(Threshold, ThresholdRow, understand=_take_for_s),
    put=lambda connection, facility, stated, by: threshold_changes.put_threshold(
        connection, facility, _as_by_default(stated), by=by
    ),
    delete=lambda connection, facility, slug, by: threshold_changes.delete_threshold(
        connection, facility, slug, by=by
    ),
)
_put, _delete = _CALLS.declared(router)


@router.get(
    "/v1/thresholds",
    summary="List thresholds",
    response_model=list[ThresholdRow],
    responses=_ROWS.documented(
        "Rows by facility and id. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_thresholds(
    context: InContext,
    who: Reader,
    query: Annotated[FacilitiesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the thresholds in force, from facility files and from the API, with their states."""
    facilities = await visible_facilities(context, who, query.facility)
    async with context.database.read() as connection:
        rows = await queries.thresholds(connection, [facility.id for facility in facilities])
    shown = [body for body in map(_threshold, rows) if body is not None]
    return rows_answer(shown, _ROWS, accept=accept, name=query.format)


@_put
async def put_threshold(
    context: InContext,
    who: Engineer,
    request: Request,
    threshold: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Create or change a threshold; the body is an entry of `thresholds` in a facility file.

    A row of GET is accepted too. A threshold of the facility file can only be changed there.
    """
    return await _CALLS.put(context, who, request, threshold, query)


@_delete
async def delete_threshold(
    context: InContext,
    who: Engineer,
    threshold: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Delete a threshold. Its past alerts are kept; one that is firing is resolved."""
    return await _CALLS.delete(context, who, threshold, query)


def _threshold(row: dict[str, Any]) -> dict[str, Any] | None:
    try:
        spec = Threshold.model_validate(row["spec"])
    except ValidationError as error:
        # one that cannot be understood must not hide the others
        log.error(  # noqa: TRY400 - whose fault it is stands in the reason
            "a stored threshold is invalid; define it again",
            facility=row["facility"],
            threshold=row["spec"].get("id") if isinstance(row["spec"], dict) else None,
            reason=plain_words.first(error, row["spec"], Threshold),
        )
        return None
    stated = {
        name: getattr(spec, name, None)
        for name in ThresholdRow.model_fields
        if name in Threshold.model_fields and name != "for_"
    }
    return {
        "facility": row["facility"],
        **stated,
        "origin": row["origin"],
        "version": row["version"],
        "in_force_from": row["in_force_from"],
        "state": row["state"],
        "since": row["since"],
        "for": in_words(spec.for_),
        "for_s": float(spec.for_),
        "projected": spec.is_projected,
        "source_name": row["source_name"],
        "device_name": row["device_name"],
        "unit": row["unit"],
        "figure": row["figure"],
    }
