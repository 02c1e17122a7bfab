"""``/v1/emissions``: emissions by interval."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.columns import Table
from services.api.http.cursors import Cursor
from services.api.http.intervals import count_about, cut
from services.api.http.pages import MAX_ROWS, Links
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.emission_table import Series, emission_columns
from services.api.models.emissions import Emission
from services.api.routes.answer_validators import emissions_validator
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.api.routes.emissions_query import EmissionsQuery
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.timeline.instants import from_us, rfc3339, to_us

router = APIRouter(tags=["emissions"])

_ROWS = Shape(Emission, arrow=True)


class _Place(NamedTuple):
    time: datetime
    facility: str
    source: str


_PAGES: Links[_Place] = Links("/v1/emissions", Cursor(_Place))


@router.get(
    "/v1/emissions",
    summary="List emissions by interval",
    response_model=list[Emission],
    responses=_ROWS.documented(
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
    """List emissions of each source as JSON, CSV or Arrow, as the header ``Accept`` says."""
    now = context.clock.now()
    if query.as_of is not None:
        now = min(now, query.as_of)
    begins, ends = query.bounds(now)
    interval = query.length(begins, ends)
    after = _PAGES.after(query)
    facilities = await visible_facilities(context, who, query.facility)
    if after is not None:
        begins = max(begins, after.time)
    validator = None
    async with context.database.read() as connection:
        if query.as_of is None:
            validator = await emissions_validator(
                connection, request, facilities, begins, ends, longest=2 * interval.mean, now=now
            )
            if validator.holds(if_none_match):
                return validator.not_modified()
        series = await series_of(
            connection,
            context.accounts,
            facilities,
            query.source,
            begins,
            ends,
            now=now,
            as_of=query.as_of,
        )
        count = sum(len(s.sources) for s in series)
        # what lies ahead of the clock is no gap
        until = min(ends, now)
        if query.limit is None and count * count_about(interval, begins, until) > MAX_ROWS:
            raise _too_many(count * count_about(interval, begins, until))
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
        is_past = query.as_of is not None
        then = await hours_then(context, parts, interval, now) if is_past else None
        answers = []
        for part, buckets in parts:
            columns = await columns_of(
                connection, part, buckets, interval, now=now, is_past=is_past, then=then
            )
            if columns is not None:
                answers.append(_Answer(part, buckets, columns))
    # the next request comes later: `auto` and the default end would mean something else
    table, page_headers = _page(
        answers, now, after, query, interval=str(interval), to=rfc3339(ends)
    )
    return table_answer(
        table,
        _ROWS,
        accept=accept,
        headers={
            **page_headers,
            **retired_header(facilities, query.facility),
            **(validator.headers if validator else {}),
        },
    )


def _too_many(count: int) -> TooManyRows:
    return TooManyRows(
        f"The answer would have about {count} rows, more than {MAX_ROWS}; use a coarser interval"
        " (or `auto`), a shorter time span or fewer sources, or page with `limit`."
    )


class _Answer(NamedTuple):
    """What is known of the facilities of a time zone."""

    part: Series
    buckets: Buckets
    columns: EmissionColumns


def _page(
    answers: Sequence[_Answer],
    now: datetime,
    after: _Place | None,
    query: EmissionsQuery,
    **resolved: str,
) -> tuple[Table, dict[str, str]]:
    """Put the facilities' rows in order, and cut them to what the query asks for."""
    if not answers:
        return _ROWS.table_of([]), {}
    sources = [(s.facility, s.source.slug) for a in answers for s in a.part.sources]
    in_order = sorted(sources)
    rank_of = {source: rank for rank, source in enumerate(in_order)}
    ranks = np.array([rank_of[source] for source in sources])
    firsts = np.cumsum([0, *(len(answer.part.sources) for answer in answers)])
    rank = np.concatenate(
        [ranks[a.columns.source + first] for a, first in zip(answers, firsts[:-1], strict=True)]
    )
    time_us = np.concatenate([a.buckets.begins_us[a.columns.bucket] for a in answers])
    order = np.lexsort((rank, time_us))
    if after is not None:
        after_us, next_rank = to_us(after.time), bisect_right(in_order, after[1:])
        is_after = (time_us > after_us) | ((time_us == after_us) & (rank >= next_rank))
        order = order[is_after[order]]
    headers: dict[str, str] = {}
    if query.limit is not None and order.size > query.limit:
        order = order[: query.limit]
        last = order[-1]
        place = _Place(from_us(int(time_us[last])), *in_order[rank[last]])
        headers = _PAGES.next_page(place, query, **resolved)
    table = Table.joined(
        [_ROWS.table(emission_columns(a.part, a.buckets, a.columns, now)) for a in answers]
    )
    return table.part(order), headers
