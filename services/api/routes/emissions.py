"""``/v1/emissions``: emissions by interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.intervals import count_about, cut
from services.api.http.pages import MAX_ROWS, Pages
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.bands import SourceMass, band_kg, masses_kg
from services.api.models.emissions import Emission
from services.api.models.shares import quality, shares
from services.api.models.stale import share_stale
from services.api.routes.answer_validators import emissions_validator
from services.api.routes.emission_series import Series, hours_then, rows_of, series_of
from services.api.routes.emissions_query import EmissionsQuery
from services.core.store.answers.emissions import Bucket, EmissionRow
from services.core.timeline.instants import MINUTE, rfc3339

router = APIRouter(tags=["emissions"])

_ROWS = Shape(Emission, arrow=True)


class _Place(NamedTuple):
    time: datetime
    facility: str
    source: str


def _place(row: dict[str, Any]) -> _Place:
    return _Place(row["time"], row["facility"], row["source"])


_PAGES = Pages("/v1/emissions", Cursor(_Place), _place)


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
            connection, facilities, query.source, begins, ends, now=now, as_of=query.as_of
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
                    timezone=part.facility.timezone,
                    # one more than fit, for the cursor may stand within the first
                    limit=MAX_ROWS if query.limit is None else query.limit // max(1, count) + 2,
                ),
            )
            for part in series
        ]
        is_past = query.as_of is not None
        then = await hours_then(context, parts, interval, now) if is_past else None
        rows: list[dict[str, Any]] = []
        for part, buckets in parts:
            answer = await rows_of(
                connection, part, buckets, interval, now=now, is_past=is_past, then=then
            )
            rows.extend(_row(part, buckets, row, now) for row in answer)
    rows.sort(key=_place)
    if after is not None:
        rows = [row for row in rows if _place(row) > after]
    # the next request comes later: `auto` and the default end would mean something else
    listed = _PAGES.page(rows, query, interval=str(interval), to=rfc3339(ends))
    return rows_answer(
        listed.rows,
        _ROWS,
        accept=accept,
        headers={
            **listed.headers,
            **retired_header(facilities, query.facility),
            **(validator.headers if validator else {}),
        },
    )


def _too_many(count: int) -> TooManyRows:
    return TooManyRows(
        f"The answer would have about {count} rows, more than {MAX_ROWS}; use a coarser interval"
        " (or `auto`), a shorter time span or fewer sources, or page with `limit`."
    )


def _invalid(hours: int) -> str | None:
    """Return why time of an interval has no value though there may be readings of it."""
    if not hours:
        return None
    which = "an hour was" if hours == 1 else f"{hours} hours were"
    return f"{which} found invalid by the source's rule and not filled: GET /v1/explain says why"


def _row(
    part: Series, buckets: Sequence[Bucket], row: EmissionRow, now: datetime
) -> dict[str, Any]:
    source = next(s for s in part.sources if s.id == row.source_id)
    bucket = buckets[row.bucket]
    # the current minute counts, what lies after it cannot be known yet
    known_until = min(bucket.ends, now.replace(second=0, microsecond=0) + MINUTE)
    length_ms = max(1.0, (known_until - bucket.begins).total_seconds() * 1000)
    # readings of an hour that its rule closed without a value cover nothing of the answer
    known_ms = sum(row.methods_ms)
    coverage = min(1.0, min(row.covered_ms, known_ms) / length_ms)
    account = part.accounts.get(source.slug)
    mass = SourceMass(
        account=account, co2_ug=row.co2_ug or 0, begins=bucket.begins, ends=bucket.ends
    )
    by_method = shares(length_ms, row.methods_ms)
    low, high = band_kg([] if row.co2_ug is None else [mass], ZoneInfo(part.facility.timezone))
    why, stale = _stale(part, source.slug, bucket.begins, known_until, row)
    return _ROWS.row(
        source,
        time=bucket.begins,
        facility=part.facility.slug,
        source=source.slug,
        **masses_kg(row.masses_ug),
        coverage=round(coverage, 6),
        quality=row.quality or quality(by_method),
        version=row.version,
        activity=None if row.activity_n is None else row.activity_n / 1e9,
        exported=None if row.exported_n is None or not source.has_export else row.exported_n / 1e9,
        state="final" if row.final else "provisional",
        co2_low_kg=low,
        co2_high_kg=high,
        counts=account is None or account.counts,
        **{f"share_{method}": share for method, share in by_method.items()},
        source_name=source.name,
        code=row.code,
        reason=row.unknown or _invalid(row.voided_hours),
        stale_factor=why,
        stale_factor_share=stale,
    )


def _stale(
    part: Series, source: str, begins: datetime, ends: datetime, row: EmissionRow
) -> tuple[str | None, float]:
    """Say why a row should count by a newer figure, and how much of it counted by the stale one."""
    stale = part.stale.get(source)
    # what is unknown counts by none
    if stale is None or row.masses_ug is None:
        return None, 0.0
    share = share_stale(stale.since, begins, ends)
    return (stale.why, round(share, 6)) if share else (None, 0.0)
