"""``/v1/emissions``: emissions by interval."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader, asked_slugs, seen_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.calls import Call
from services.api.http.intervals import count_about, cut
from services.api.http.loop_turns import in_turn
from services.api.http.pages import MAX_ROWS, refuse_beyond
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.emission_groups import groups_of
from services.api.models.emission_table import Series
from services.api.models.emissions import Emission, EmissionFields, EmissionGroup
from services.api.models.factor_levels import asks_levels
from services.api.routes.answer_validators import emissions_validator, totals_of
from services.api.routes.asked import Asked, moment
from services.api.routes.emission_rows import PAGES, ROWS, page_of, part_of, shape_of
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.api.routes.emissions_query import EmissionsQuery
from services.api.routes.factor_levels_reading import counts_by_series, read_levels
from services.core.store.answers.balances import balances
from services.core.store.packing import opened
from services.core.store.registry.stated_removals import StatedBalance
from services.core.timeline.instants import rfc3339

router = APIRouter(route_class=Call, tags=["emissions"])


@router.get(
    "/v1/emissions",
    summary="List emissions by interval",
    response_model=list[Emission | EmissionGroup | EmissionFields],
    responses=ROWS.documented(
        "Rows by time, facility and source. Intervals are whole: the first begins at or before"
        " `from`. An interval without data is a row with null and coverage 0: a gap is not zero.",
        NotFound,
        TooManyRows,
    )
    | NOT_MODIFIED,
)
async def get_emissions(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[EmissionsQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List emissions as JSON, CSV, Arrow or Parquet, as ``Accept`` or ``format`` says."""
    shape = shape_of(query).chosen(query.fields)
    now, as_of = moment(context, query.as_of)
    begins, ends = query.bounds(now)
    interval = query.length(begins, ends)
    after = PAGES.after(query)
    if after is not None:
        begins = max(begins, after.time)
    validator = None
    stated: dict[str, StatedBalance] = {}
    async with context.database.read() as connection:
        state = await totals_of(context.states, connection, asked_slugs(who, query.facility))
        facilities = await seen_facilities(
            connection, context, who, query.facility, revision=state.revision
        )
        if as_of is None:
            validator = await emissions_validator(
                connection,
                request,
                facilities,
                begins,
                ends,
                longest=2 * interval.mean,
                now=now,
                state=state,
            )
            if validator.holds(if_none_match):
                return validator.not_modified()
            if answer := context.answer_cache.answer(validator):
                return answer
        if query.group_by in {"facility", "scope"}:
            stated = await balances(connection, [f.slug for f in facilities], as_of)
        series = await series_of(
            connection,
            context.accounts,
            facilities,
            query.source,
            begins,
            ends,
            now=now,
            as_of=as_of,
            revision=state.revision,
        )
        count = _rows_of_each_interval(series, query)
        # what lies ahead of the clock is no gap
        until = min(ends, now)
        if query.limit is None:
            refuse_beyond(
                count * count_about(interval, begins, until),
                "use a coarser interval (or `auto`), a shorter time span or fewer sources, or page"
                " with `limit`",
            )
        parts = [
            (
                part,
                cut(
                    interval,
                    begins,
                    until,
                    timezone=part.timezone,
                    # one more than fit, for the cursor may stand within the first
                    limit=MAX_ROWS if query.limit is None else query.limit // max(1, count) + 2,
                ),
            )
            for part in series
        ]
        is_past = as_of is not None
        then = await hours_then(context.database, parts, interval, now) if is_past else None
        answers = []
        for part, buckets in parts:
            has_levels = asks_levels(query.fields) and counts_by_series(part) and len(buckets) > 0
            # hours that counted otherwise are taken from sums: both are of one state
            async with opened.snapshot_async(connection) if has_levels else nullcontext():
                columns = await columns_of(
                    connection, part, buckets, interval, now=now, is_past=is_past, then=then
                )
                levels = None
                if has_levels and columns is not None:
                    levels = await read_levels(
                        context.database,
                        connection,
                        {facility.slug: facility for facility in facilities},
                        part,
                        buckets,
                        columns,
                        now=now,
                        as_of=as_of,
                        then=then,
                    )
            if columns is not None:
                make = partial(part_of, part, buckets, columns, now, query, stated, levels)
                answers.append(await in_turn(make))
    # the next request comes later: `auto` and the default end would mean something else
    resolved = {"interval": str(interval), "to": rfc3339(ends)}
    table, page_headers = await in_turn(partial(page_of, answers, after, query, **resolved))
    return context.answer_cache.keep(
        validator,
        table_answer(
            table,
            shape,
            accept=accept,
            name=query.format,
            headers={
                **page_headers,
                **Asked(facilities=facilities, named=query.facility, validator=validator).headers,
            },
        ),
        rows=len(table),
    )


def _rows_of_each_interval(series: Sequence[Series], query: EmissionsQuery) -> int:
    if query.group_by == "none":
        return sum(len(part.sources) for part in series)
    return sum(len(groups_of(part, query.group_by)[0]) for part in series)
