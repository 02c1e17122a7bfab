"""Prometheus' read API below ``/prometheus/api/v1/``: what Grafana asks without a plugin."""

from __future__ import annotations

# Texts here stay English: they are as Prometheus words them
import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BaseModel

from services.api.admission.spending import note_rows
from services.api.auth import Principal, Reader
from services.api.context import Context, InContext
from services.api.http.formats import JSON
from services.api.http.problems import BodyTooLarge, TooSlow
from services.api.http.prometheus_errors import BadQuery, Unexecutable, documented
from services.api.models.prometheus import (
    BuildAnswer,
    InstantQuery,
    MetadataAnswer,
    MetadataQuery,
    NamesAnswer,
    QueryAnswer,
    RangeQuery,
    SeriesAnswer,
    SeriesQuery,
)
from services.api.prometheus.labels import Labels
from services.api.prometheus.metrics import METRICS
from services.api.prometheus.parse import parse, parse_selectors
from services.api.prometheus.query import (
    evaluate_once,
    evaluate_range,
    looked_at,
    parse_range,
)
from services.api.prometheus.refusals import BadQueryError
from services.api.prometheus.times import query_range, read_duration, read_time
from services.api.routes.prometheus_reading import known_series, stored_select
from services.core.timeline.instants import DAY_S, EPOCH, MILLISECOND

router = APIRouter(tags=["prometheus"])

_PATH: Final = "/prometheus/api/v1"
#: Whose semantics queries have; clients look at it to know what they may ask.
_VERSION: Final = "2.42.0"
_FORM: Final = "application/x-www-form-urlencoded"
_QUERY_ERRORS: Final = documented(BadQuery, Unexecutable)
_ERRORS: Final = documented(BadQuery)

Asked = TypeVar("Asked", bound=BaseModel)


def _form(model: type[BaseModel]) -> dict[str, Any]:
    """Describe, for OpenAPI, the parameters as a form."""
    return {"requestBody": {"content": {_FORM: {"schema": model.model_json_schema(by_alias=True)}}}}


async def _asked(request: Request, model: type[Asked]) -> Asked:
    """Read the parameters of the address and of a form; those of the form go before."""
    given: dict[str, list[str]] = parse_qs(request.url.query, keep_blank_values=True)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        body = (await request.body()).decode("utf-8", "replace")
        for name, values in parse_qs(body, keep_blank_values=True).items():
            given[name] = [*values, *given.get(name, ())]
    taken = {
        field.alias or key: field.annotation == list[str]
        for key, field in model.model_fields.items()
    }
    return model.model_validate(
        {
            name: given[name] if is_list else given[name][0]
            for name, is_list in taken.items()
            if name in given
        }
    )


def _success(data: Any, warnings: Sequence[str] = ()) -> Response:
    body = {"status": "success", "data": data}
    return Response(
        msgspec.json.encode(body | ({"warnings": list(warnings)} if warnings else {})),
        media_type=JSON,
    )


def _limited(rows: list[Any], limit: str) -> tuple[list[Any], list[str]]:
    """Return as many rows as are wanted, and a warning where there are more."""
    wanted = 0
    if limit:
        if not limit.isascii() or not limit.isdecimal() or len(limit) > 9:
            raise BadQueryError(f'invalid parameter "limit": `{limit[:20]}` is no number of rows')
        wanted = int(limit)
    if not wanted or len(rows) <= wanted:
        return rows, []
    return rows[:wanted], ["results truncated due to limit"]


async def _evaluated(context: Context, who: Principal, asked: InstantQuery) -> Response:
    """Answer a query at one time, or at each step of a range."""
    lookback_ms = context.settings.api_prometheus_lookback_s * 1000
    within_s = read_duration("timeout", asked.timeout) / 1000 if asked.timeout else None
    if isinstance(asked, RangeQuery):
        times = query_range(asked.start, asked.end, asked.step)
        expression = parse_range(asked.query)
        first_ms, last_ms = times.start_ms, times.end_ms
    else:
        times = None
        expression = parse(asked.query)
        first_ms = last_ms = _time(context, "time", asked.time)
    looked = looked_at(expression, first_ms, last_ms, lookback_ms)

    given_up = threading.Event()

    def evaluate() -> dict[str, Any]:
        if times is None:
            return evaluate_once(expression, first_ms, lookback_ms, select, given_up)
        return evaluate_range(expression, times, lookback_ms, select, given_up)

    try:
        async with asyncio.timeout(within_s):
            select = await stored_select(context, who, looked)
            data = await asyncio.to_thread(evaluate)
    except TimeoutError:
        raise TooSlow from None
    finally:
        # nobody waits for its thread any more, which would go on for as long as it takes
        given_up.set()
    warnings: list[str] = []
    if data["resultType"] in {"vector", "matrix"}:
        note_rows(sum(len(row.get("values", (0,))) for row in data["result"]))
        data["result"], warnings = _limited(data["result"], asked.limit)
    return await asyncio.to_thread(_success, data, warnings)


def _time(context: Context, name: str, text: str, *, before_ms: int = 0) -> int:
    if text:
        return read_time(name, text)
    return (context.clock.now() - EPOCH) // MILLISECOND - before_ms


@router.get(
    f"{_PATH}/query",
    summary="Evaluate a query at one time",
    response_model=QueryAnswer,
    responses=_QUERY_ERRORS,
)
async def get_prometheus_query(
    request: Request,
    context: InContext,
    who: Reader,
    _query: Annotated[InstantQuery, FromQuery()],
) -> Response:
    """Evaluate PromQL, of the part that the documentation names, at one time."""
    return await _evaluated(context, who, await _asked(request, InstantQuery))


@router.post(
    f"{_PATH}/query",
    summary="Evaluate a query at one time, sent as a form",
    response_model=QueryAnswer,
    responses=_QUERY_ERRORS | documented(BodyTooLarge),
    openapi_extra=_form(InstantQuery),
)
async def post_prometheus_query(request: Request, context: InContext, who: Reader) -> Response:
    """Do as `GET` does; a form may be longer than an address."""
    return await _evaluated(context, who, await _asked(request, InstantQuery))


@router.get(
    f"{_PATH}/query_range",
    summary="Evaluate a query over time",
    response_model=QueryAnswer,
    responses=_QUERY_ERRORS,
)
async def get_prometheus_query_range(
    request: Request,
    context: InContext,
    who: Reader,
    _query: Annotated[RangeQuery, FromQuery()],
) -> Response:
    """Evaluate PromQL at each step from `start` to `end`, at most 11 000."""
    return await _evaluated(context, who, await _asked(request, RangeQuery))


@router.post(
    f"{_PATH}/query_range",
    summary="Evaluate a query over time, sent as a form",
    response_model=QueryAnswer,
    responses=_QUERY_ERRORS | documented(BodyTooLarge),
    openapi_extra=_form(RangeQuery),
)
async def post_prometheus_query_range(
    request: Request, context: InContext, who: Reader
) -> Response:
    """Do as `GET` does; a form may be longer than an address."""
    return await _evaluated(context, who, await _asked(request, RangeQuery))


async def _series(
    context: Context, who: Principal, asked: SeriesQuery, *, is_needed: bool = False
) -> Sequence[Labels]:
    """Return the labels of the series that selectors take; without any all."""
    if is_needed and not asked.match:
        raise BadQueryError("no match[] parameter provided")
    selectors = parse_selectors(asked.match)
    last_ms = _time(context, "end", asked.end)
    first_ms = read_time("start", asked.start) if asked.start else last_ms - DAY_S * 1000
    if last_ms < first_ms:
        raise BadQueryError('invalid parameter "end": end timestamp must not be before start time')
    return await known_series(context, who, selectors, first_ms, last_ms)


async def _listed(
    request: Request,
    context: Context,
    who: Principal,
    rows: Callable[[Sequence[Labels]], Iterable[Any]],
    *,
    is_needed: bool = False,
) -> Response:
    asked = await _asked(request, SeriesQuery)
    series = await _series(context, who, asked, is_needed=is_needed)
    listed = list(rows(series))
    note_rows(len(listed))
    return _success(*_limited(listed, asked.limit))


def _dicts(series: Sequence[Labels]) -> list[dict[str, str]]:
    return [dict(labels) for labels in series]


def _names(series: Sequence[Labels]) -> list[str]:
    return sorted({name for labels in series for name, _ in labels})


@router.get(
    f"{_PATH}/series",
    summary="List series",
    response_model=SeriesAnswer,
    responses=_ERRORS,
)
async def get_prometheus_series(
    request: Request, context: InContext, who: Reader, _query: Annotated[SeriesQuery, FromQuery()]
) -> Response:
    """List the labels of the series that `match[]` takes."""
    return await _listed(request, context, who, _dicts, is_needed=True)


@router.post(
    f"{_PATH}/series",
    summary="List series, asked by a form",
    response_model=SeriesAnswer,
    responses=_ERRORS | documented(BodyTooLarge),
    openapi_extra=_form(SeriesQuery),
)
async def post_prometheus_series(request: Request, context: InContext, who: Reader) -> Response:
    """Do as `GET` does; a form may be longer than an address."""
    return await _listed(request, context, who, _dicts, is_needed=True)


@router.get(
    f"{_PATH}/labels",
    summary="List names of labels",
    response_model=NamesAnswer,
    responses=_ERRORS,
)
async def get_prometheus_labels(
    request: Request, context: InContext, who: Reader, _query: Annotated[SeriesQuery, FromQuery()]
) -> Response:
    """List the names of labels of the series that `match[]` takes, or of all."""
    return await _listed(request, context, who, _names)


@router.post(
    f"{_PATH}/labels",
    summary="List names of labels, asked by a form",
    response_model=NamesAnswer,
    responses=_ERRORS | documented(BodyTooLarge),
    openapi_extra=_form(SeriesQuery),
)
async def post_prometheus_labels(request: Request, context: InContext, who: Reader) -> Response:
    """Do as `GET` does; a form may be longer than an address."""
    return await _listed(request, context, who, _names)


@router.get(
    f"{_PATH}/label/{{label}}/values",
    summary="List values of a label",
    response_model=NamesAnswer,
    responses=_ERRORS,
)
async def get_prometheus_label_values(
    request: Request,
    context: InContext,
    who: Reader,
    label: Annotated[str, Path(examples=["facility"])],
    _query: Annotated[SeriesQuery, FromQuery()],
) -> Response:
    """List the values that a label has in the series that `match[]` takes, or in all."""
    return await _listed(
        request,
        context,
        who,
        lambda series: sorted({dict(labels)[label] for labels in series if label in dict(labels)}),
    )


@router.get(
    f"{_PATH}/metadata",
    summary="List metrics",
    response_model=MetadataAnswer,
    responses=_ERRORS,
)
async def get_prometheus_metadata(
    request: Request, _who: Reader, _query: Annotated[MetadataQuery, FromQuery()]
) -> Response:
    """List metrics with their type and meaning."""
    asked = await _asked(request, MetadataQuery)
    metrics = [metric for metric in METRICS if asked.metric in {"", metric.name}]
    # Prometheus' metadata has no warnings
    metrics, _ = _limited(metrics, asked.limit)
    return _success(
        {
            metric.name: [{"type": metric.type, "help": metric.help, "unit": ""}]
            for metric in metrics
        }
    )


@router.get(
    f"{_PATH}/status/buildinfo",
    summary="Get the version of Prometheus that is answered alike",
    response_model=BuildAnswer,
    responses=_ERRORS,
)
async def get_prometheus_build(_who: Reader) -> Response:
    """Tell clients whose semantics queries have."""
    return _success(
        {
            "version": _VERSION,
            "revision": "tonne",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
    )
