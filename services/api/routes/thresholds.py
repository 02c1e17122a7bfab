"""``/v1/thresholds`` and ``/v1/maintenance``: what is watched, and when it is not told."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Path, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.api.auth import Principal, Reader, Writer, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import End, Instant, Query, SlugList
from services.api.http.problems import Conflict, InvalidRequest, NotFound, documented
from services.api.models.alerts import Changed, MaintenanceRow, ThresholdRow
from services.api.registry_write import write
from services.core.facility import plain_words
from services.core.facility.fields import Part
from services.core.facility.thresholds import Maintenance, Threshold
from services.core.store.alerts import limit_changes, queries
from services.core.timeline.durations import in_words, seconds

log = structlog.get_logger()

router = APIRouter(tags=["alerts"])

Stated = TypeVar("Stated", bound=Part)

_Id = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="its id")]
_DICT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class FacilitiesQuery(Query):
    """Of which facilities."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])


class FacilityQuery(Query):
    """Of which facility."""

    facility: str | None = Field(
        None, description="facility id; may be left out where there is one only", examples=["linz"]
    )


class MaintenanceQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/maintenance``."""

    from_: Instant | None = Field(None, alias="from", description="that lasts beyond then")
    to: End | None = Field(None, description="that begins before then")


def _body_of(part: type[Part]) -> dict[str, Any]:
    """The specification of a body in the words of a facility file; its id is in the address."""
    schema = part.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"] = {k: v for k, v in schema["properties"].items() if k != "id"}
    schema["required"] = [name for name in schema["required"] if name != "id"]
    schema.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get(
    "/v1/thresholds",
    summary="Limits that are watched",
    response_model=list[ThresholdRow],
    responses=documented(NotFound),
)
async def get_thresholds(
    context: InContext, who: Reader, query: Annotated[FacilitiesQuery, FromQuery()]
) -> Response:
    """Thresholds in force, those of facility files and those of the API, with their states."""
    found = await visible_facilities(context, who, query.facility)
    async with context.engine.connect() as connection:
        rows = await queries.thresholds(connection, [each.id for each in found])
    shown = map(_threshold, rows)
    return json_answer([each for each in shown if each is not None])


@router.put(
    "/v1/thresholds/{threshold}",
    summary="Watch a limit",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
    openapi_extra=_body_of(Threshold),
)
async def put_threshold(
    context: InContext,
    who: Writer,
    request: Request,
    threshold: _Id,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Bring a threshold into force, or change it; the body is an entry of a facility file's list.

    What GET gives is taken too. One that stands in the facility file is changed there.
    """
    body = await _body(request)
    facility = await _one_facility(context, who, _facility_of(body, query.facility))
    stated = _as_by_default(_stated(Threshold, _without_shown(body, ThresholdRow), threshold))
    changes = await write(
        context, lambda c: limit_changes.put_threshold(c, facility, stated, by=who.name)
    )
    return json_answer({"changes": changes})


@router.delete(
    "/v1/thresholds/{threshold}",
    summary="Watch a limit no more",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
)
async def delete_threshold(
    context: InContext, who: Writer, threshold: _Id, query: Annotated[FacilityQuery, FromQuery()]
) -> Response:
    """Take a threshold out of force; what it found stays, and an alert of it is resolved."""
    facility = await _one_facility(context, who, query.facility)
    if not await write(
        context, lambda c: limit_changes.delete_threshold(c, facility, threshold, by=who.name)
    ):
        raise NotFound(f"There is no threshold {threshold}; GET /v1/thresholds lists them.")
    return json_answer({"changes": [f"- threshold {threshold}"]})


@router.get(
    "/v1/maintenance",
    summary="When alerts are not told",
    response_model=list[MaintenanceRow],
    responses=documented(NotFound),
)
async def get_maintenance(
    context: InContext, who: Reader, query: Annotated[MaintenanceQuery, FromQuery()]
) -> Response:
    """Spans in which alerts are judged and kept, and not told."""
    found = await visible_facilities(context, who, query.facility)
    async with context.engine.connect() as connection:
        rows = await queries.maintenance(
            connection, [each.id for each in found], begins=query.from_, ends=query.to
        )
    return json_answer(rows)


@router.put(
    "/v1/maintenance/{maintenance}",
    summary="State a maintenance",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
    openapi_extra=_body_of(Maintenance),
)
async def put_maintenance(
    context: InContext,
    who: Writer,
    request: Request,
    maintenance: _Id,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """What fires in it is told when it is over, if it still fires then."""
    body = await _body(request)
    facility = await _one_facility(context, who, _facility_of(body, query.facility))
    stated = _stated(Maintenance, _without_shown(body, MaintenanceRow), maintenance)
    changes = await write(
        context, lambda c: limit_changes.put_maintenance(c, facility, stated, by=who.name)
    )
    return json_answer({"changes": changes})


@router.delete(
    "/v1/maintenance/{maintenance}",
    summary="Take a maintenance back",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
)
async def delete_maintenance(
    context: InContext, who: Writer, maintenance: _Id, query: Annotated[FacilityQuery, FromQuery()]
) -> Response:
    """End a maintenance at once."""
    facility = await _one_facility(context, who, query.facility)
    if not await write(
        context, lambda c: limit_changes.delete_maintenance(c, facility, maintenance)
    ):
        raise NotFound(f"There is no maintenance {maintenance}; GET /v1/maintenance lists them.")
    return json_answer({"changes": [f"- maintenance {maintenance}"]})


async def _one_facility(context: Context, who: Principal, facility: str | None) -> str:
    found = await visible_facilities(context, who, [] if facility is None else [facility])
    if len(found) != 1:
        raise InvalidRequest("facility: say which one, as in ?facility=linz")
    return found[0].slug


async def _body(request: Request) -> dict[str, Any]:
    try:
        return _DICT.validate_json(await request.body())
    except ValidationError as error:
        raise InvalidRequest(f"body: {error.errors()[0]['msg']}") from None


def _facility_of(body: dict[str, Any], named: str | None) -> str | None:
    """The facility that the address or the body names, as GET puts it there."""
    said = body.pop("facility", None)
    if said is None:
        return named
    if not isinstance(said, str) or named not in (None, said):
        raise InvalidRequest(f"facility: the body is of {said}, the address names {named}")
    return said


def _without_shown(body: dict[str, Any], row: type[BaseModel]) -> dict[str, Any]:
    """The body without what GET shows beside what is stated; ``for_s`` stands for ``for``."""
    part = Threshold if row is ThresholdRow else Maintenance
    stated = {field.alias or name for name, field in part.model_fields.items()}
    shown = {field.alias or name for name, field in row.model_fields.items()} - stated
    kept = {key: value for key, value in body.items() if key not in shown}
    if row is ThresholdRow and "for_s" in body:
        kept.setdefault("for", body["for_s"])
        if _seconds(kept["for"]) != _seconds(body["for_s"]):
            raise InvalidRequest(
                f"for: {kept['for']} and for_s: {body['for_s']} differ; leave one of them out"
            )
    return kept


def _seconds(said: Any) -> float | None:
    """A duration; None: it is none, which reading the threshold tells in its own words."""
    try:
        return seconds(said)
    except ValueError:
        return None


def _as_by_default(threshold: Threshold) -> Threshold:
    """GET shows whether it is told beforehand; what is so by default is not stated by that."""
    unstated = threshold.model_copy(update={"projected": None})
    return unstated if unstated.is_projected == threshold.is_projected else threshold


def _stated(part: type[Stated], body: dict[str, Any], slug: str) -> Stated:
    if body.setdefault("id", slug) != slug:
        raise InvalidRequest(f"id: the body is of {body['id']}, the address names {slug}")
    try:
        return part.stated(body)
    except ValidationError as error:
        found = plain_words.findings(error, body, part)
        raise InvalidRequest(
            "; ".join(map(str, found)),
            errors=[{"parameter": each.place.words, "message": each.what} for each in found],
        ) from None


def _threshold(row: dict[str, Any]) -> dict[str, Any] | None:
    try:
        spec = Threshold.model_validate(row["spec"])
    except ValidationError as error:
        # one that cannot be understood must not hide the others
        log.error(  # noqa: TRY400 - whose fault it is stands in the reason
            "a stored threshold cannot be understood; state it again",
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
    }
