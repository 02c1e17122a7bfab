"""``/v1/emissions``: what was emitted, by interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http import arrow_stream, cursors
from services.api.http.answers import MOST_ROWS, next_link, rfc3339, rows_answer
from services.api.http.intervals import (
    HOURLY,
    IntervalLength,
    count_about,
    cut,
    finest,
    parse,
    whole_hours,
)
from services.api.http.parameters import Instant, SlugList, TimeSpan, check_span
from services.api.http.problems import InvalidRequest, NotFound, TooManyRows, documented
from services.api.models.bands import SourceMass, band_kg, masses_kg
from services.api.models.models import Emission
from services.api.models.shares import shares
from services.core.store.answers import emissions
from services.core.store.answers.emissions import Bucket, EmissionRow
from services.core.store.answers.facility_queries import FacilityRow, SourceRow, sources_between
from services.core.store.answers.source_uncertainty import SourceAccount, source_accounts
from services.core.timeline.instants import DAY, MINUTE

router = APIRouter(tags=["emissions"])

_COLUMNS = tuple(Emission.model_fields)
_ARROW: arrow_stream.Columns = {
    "time": arrow_stream.TIME,
    "facility": arrow_stream.TEXT,
    "source": arrow_stream.TEXT,
    "scope": arrow_stream.INTEGER,
    "co2_kg": arrow_stream.NUMBER_OR_NULL,
    "co2e_kg": arrow_stream.NUMBER_OR_NULL,
    "coverage": arrow_stream.NUMBER,
    "quality": arrow_stream.TEXT,
    "version": arrow_stream.INTEGER_OR_NULL,
    "activity": arrow_stream.NUMBER_OR_NULL,
    "activity_unit": arrow_stream.TEXT_OR_NULL,
    "state": arrow_stream.TEXT,
    "co2_market_kg": arrow_stream.NUMBER_OR_NULL,
    "co2_low_kg": arrow_stream.NUMBER_OR_NULL,
    "co2_high_kg": arrow_stream.NUMBER_OR_NULL,
    "counts": arrow_stream.TRUTH,
    "share_measured": arrow_stream.NUMBER,
    "share_substituted": arrow_stream.NUMBER,
    "share_estimated": arrow_stream.NUMBER,
    "share_missing": arrow_stream.NUMBER,
    "source_name": arrow_stream.TEXT,
}


def _checked(interval: str) -> str:
    if interval != "auto":
        parse(interval)
    return interval


class EmissionsQuery(TimeSpan):
    """Parameters of ``GET /v1/emissions``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    source: SlugList = Field([], description="source ids; none: all", examples=[["stack-1"]])
    interval: Annotated[str, AfterValidator(_checked)] = Field(
        "auto",
        description="length of an interval: minutes that divide an hour, hours that divide a day,"
        " days, weeks, months or a year (`1m`, `15m`, `30m`, `1h`, `6h`, `1d`, `1w`, `1mo`, `1y`,"
        " `PT30M`, seconds); above an hour they begin with the day, the week (Monday), the month or"
        " the year of the facility's time zone; `auto`: the finest of 1m, 5m, 15m, 1h, 1d, 1mo that"
        " gives each source at most `max_points` rows",
        examples=["auto"],
    )
    max_points: int = Field(1000, ge=1, le=MOST_ROWS, description="for `auto`: rows of a source")
    as_of: Instant | None = Field(
        None,
        description="the answer as it was known then, from intervals of an hour on: the versions"
        " in force then; of an hour that was still open its first figure, as provisional; nothing"
        " of what came later",
    )
    limit: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="most rows; the `Link` header leads to the next"
    )
    cursor: str | None = Field(
        None, description="where the last answer ended, from its `Link` header"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    """One facility's part of the answer."""

    facility: FacilityRow
    sources: tuple[SourceRow, ...]
    accounts: Mapping[str, SourceAccount]


@router.get(
    "/v1/emissions",
    summary="Emissions by interval",
    response_model=list[Emission],
    responses={
        200: {
            "description": "Rows by time, facility and source. Intervals are whole: the first"
            " begins at or before `from`. An interval without data is a row with null and"
            " coverage 0, for a gap is not zero.",
            "content": {
                "text/csv": {
                    "example": ",".join(_COLUMNS)
                    + "\r\n2026-11-23T17:00:00Z,linz,stack-1,1,848.5,849.25,1.0,measured,1,,,final,"
                    "848.5,827.3,869.7,True,1.0,0.0,0.0,0.0"
                },
                arrow_stream.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **documented(NotFound, TooManyRows),
    },
)
async def get_emissions(
    context: InContext,
    who: Reader,
    query: Annotated[EmissionsQuery, FromQuery()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Rows of every source asked for, as the header ``Accept`` says: JSON, CSV or Arrow."""
    now = context.clock.now()
    if query.as_of is not None:
        now = min(now, query.as_of)
    ends = query.to or now
    begins = query.from_ or ends - DAY
    check_span(begins, ends)
    interval = _interval(query, begins, ends)
    found = await visible_facilities(context, who, query.facility)
    after = _read_cursor(query.cursor)
    if after is not None:
        begins = max(begins, after[0])
    async with context.engine.connect() as connection:
        series = await _series(connection, found, query, begins, ends)
        count = sum(len(s.sources) for s in series)
        # what lies ahead of the clock is no gap
        until = min(ends, now)
        if query.limit is None and count * count_about(interval, begins, until) > MOST_ROWS:
            raise _too_many(count * count_about(interval, begins, until))
        rows: list[dict[str, Any]] = []
        for part in series:
            buckets = cut(
                interval,
                begins,
                until,
                timezone=part.facility.timezone,
                # one more than fit, for the cursor may stand within the first
                most=MOST_ROWS if query.limit is None else query.limit // max(1, count) + 2,
            )
            answer = await _read(connection, part, buckets, interval, query.as_of, now)
            rows.extend(_row(part, buckets, row, now) for row in answer)
    rows.sort(key=_key)
    if after is not None:
        rows = [row for row in rows if _key(row) > after]
    headers = {}
    if query.limit is not None and len(rows) > query.limit:
        rows = rows[: query.limit]
        headers["Link"] = _next(query, rows[-1], interval, ends)
    return rows_answer(rows, columns=_COLUMNS, accept=accept, headers=headers, arrow=_ARROW)


def _interval(query: EmissionsQuery, begins: datetime, ends: datetime) -> IntervalLength:
    if query.interval == "auto":
        interval = finest(begins, ends, most=query.max_points)
        return HOURLY if query.as_of is not None and interval.in_hour else interval
    interval = parse(query.interval)
    if query.as_of is not None and not interval.of_hours:
        raise InvalidRequest(
            "as_of: only hours keep their versions; use an interval of whole hours, such as 1h, 1d"
            " or 1mo"
        )
    return interval


def _too_many(count: int) -> TooManyRows:
    return TooManyRows(
        f"The answer would have about {count} rows, more than {MOST_ROWS}; take a coarser"
        " interval (or `auto`), a shorter time span, fewer sources, or page with `limit`."
    )


async def _series(
    connection: AsyncConnection,
    found: Sequence[FacilityRow],
    query: EmissionsQuery,
    begins: datetime,
    ends: datetime,
) -> list[_Series]:
    series = []
    unknown = set(query.source)
    for facility in found:
        all_sources = await sources_between(connection, facility.id, begins=begins, ends=ends)
        unknown -= {source.slug for source in all_sources}
        sources = tuple(s for s in all_sources if not query.source or s.slug in query.source)
        accounts = await source_accounts(connection, facility.slug)
        series.append(_Series(facility=facility, sources=sources, accounts=accounts))
    if unknown:
        raise NotFound(f"There is no source {min(unknown)}; GET /v1/facilities lists them.")
    return series


async def _read(
    connection: AsyncConnection,
    part: _Series,
    buckets: Sequence[Bucket],
    interval: IntervalLength,
    as_of: datetime | None,
    now: datetime,
) -> list[EmissionRow]:
    ids = [source.id for source in part.sources]
    if not buckets or not ids:
        return []
    if interval.in_hour:
        return await emissions.parts_of_hours(connection, ids, buckets, now=now)
    if interval == HOURLY or (
        interval.of_hours
        and whole_hours(part.facility.timezone, buckets[0].begins, buckets[-1].ends)
    ):
        return await emissions.whole_hours(connection, ids, buckets, now=now, as_of=as_of)
    if as_of is not None:
        raise InvalidRequest(
            f"as_of: intervals of {part.facility.timezone} do not begin on a whole UTC hour,"
            " and only hours keep their versions; use interval 1h"
        )
    return await emissions.days_of_minutes(connection, ids, buckets, now=now)


def _row(
    part: _Series, buckets: Sequence[Bucket], row: EmissionRow, now: datetime
) -> dict[str, Any]:
    source = next(s for s in part.sources if s.id == row.source_id)
    bucket = buckets[row.bucket]
    # the current minute counts, what lies after it cannot be known yet
    known_until = min(bucket.ends, now.replace(second=0, microsecond=0) + MINUTE)
    length_ms = max(1.0, (known_until - bucket.begins).total_seconds() * 1000)
    coverage = min(1.0, row.covered_ms / length_ms)
    account = part.accounts.get(source.slug)
    mass = SourceMass(
        account=account, co2_ug=row.co2_ug or 0, begins=bucket.begins, ends=bucket.ends
    )
    by_method = shares(
        length_ms,
        measured_ms=row.measured_ms,
        substituted_ms=row.substituted_ms,
        estimated_ms=row.estimated_ms,
    )
    masses = masses_kg(row.masses_ug)
    low, high = band_kg([] if row.co2_ug is None else [mass], ZoneInfo(part.facility.timezone))
    return {
        "time": bucket.begins,
        "facility": part.facility.slug,
        "source": source.slug,
        "scope": source.scope,
        "co2_kg": masses.pop("co2_kg"),
        "co2e_kg": masses.pop("co2e_kg"),
        "coverage": round(coverage, 6),
        "quality": row.quality or _judged(by_method),
        "version": row.version,
        "activity": None if row.activity_n is None else row.activity_n / 1e9,
        "activity_unit": source.activity_unit,
        "state": "final" if row.final else "provisional",
        **masses,
        "co2_low_kg": low,
        "co2_high_kg": high,
        "counts": account is None or account.counts,
        **{f"share_{method}": share for method, share in by_method.items()},
        "source_name": source.name,
    }


def _judged(by_method: Mapping[str, float]) -> str:
    if by_method["missing"] >= 1:
        return "missing"
    if by_method["substituted"] > 0:
        return "substituted"
    if by_method["missing"] > 0:
        return "partial"
    return "estimated" if by_method["estimated"] > by_method["measured"] else "measured"


def _key(row: dict[str, Any]) -> tuple[datetime, str, str]:
    return row["time"], row["facility"], row["source"]


def _next(
    query: EmissionsQuery, last: dict[str, Any], interval: IntervalLength, ends: datetime
) -> str:
    given = query.model_dump(by_alias=True, exclude_unset=True, exclude={"cursor"})
    times = {k: rfc3339(v) if isinstance(v, datetime) else v for k, v in given.items()}
    return next_link(
        "/v1/emissions",
        **{
            **times,
            "interval": str(interval),
            "to": rfc3339(ends),
            "cursor": cursors.written(last["time"], last["facility"], last["source"]),
        },
    )


def _read_cursor(cursor: str | None) -> tuple[datetime, str, str] | None:
    if cursor is None:
        return None
    time, facility, source = cursors.parts_of(cursor, 3)
    return cursors.instant(time), facility, source
