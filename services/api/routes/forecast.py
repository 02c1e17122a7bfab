"""``/v1/forecast``: what the running day, month or year of facilities is expected to come to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field, model_validator

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.gathered import combined_answer
from services.api.http.parameters import FacilityList, Instant, Query
from services.api.http.problems import NotFound
from services.api.http.shapes import Row, Shape
from services.api.languages.reader import translate
from services.api.models.forecast import Forecast
from services.api.routes import forecast_steps
from services.api.routes.asked import moment
from services.api.routes.forecast_groups import added
from services.api.routes.forecast_reading import (
    ForecastReading,
    Horizon,
    forecast_reading,
    period,
    where,
)
from services.api.routes.organisation_members import organisation_members
from services.core.accounting.forecast.methods import OF_DAYS, OF_HOURS
from services.core.accounting.forecast.outlook import LEVEL, history_of, outlook
from services.core.accounting.pathway.peak import LEAST_COVERAGE
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.first_hours import first_hours
from services.core.timeline.instants import from_us, to_us

router = APIRouter(tags=["pathway"])

_ROWS = Shape(Forecast)
_HORIZONS: Final[tuple[Horizon, ...]] = ("day", "month", "year")
#: By what they emitted in these newest days, sources are told apart that matter.
_LATELY_DAYS: Final = 28
_DAY_HOURS: Final = 24
#: A source that says nothing for so long is left out.
_SILENCE: Final = timedelta(days=7)


class ForecastQuery(Query):
    """Parameters of ``GET /v1/forecast``."""

    facility: FacilityList = Field([])
    horizon: Horizon | None = Field(
        None, description="the period that runs; default: a row for each of them"
    )
    scope: int | None = Field(
        None, ge=1, le=3, description="of one scope; default: of all, as in live totals"
    )
    figure: Literal["co2", "co2e", "market"] = Field("co2", description="mass")
    organisation: str | None = Field(
        None,
        min_length=1,
        description="the forecasts of the facilities that belong to an organisation, added up;"
        " instead of `facility`",
        examples=["group"],
    )
    as_of: Instant | None = Field(
        None,
        description="forecasts from this time on, by what was known then; default: now",
    )
    format: TextFormat = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.organisation is not None and self.facility:
            raise ValueError("organisation names its facilities: leave facility out")
        return self


@router.get(
    "/v1/forecast",
    summary="Forecast running days, months and years",
    response_model=list[Forecast],
    responses=_ROWS.documented(
        "A row for each facility, or for an organisation, and each horizon: what is known of the"
        " running period so far, what is expected of its rest, and an interval made of the errors"
        " of past forecasts of the same length. A forecast is no measurement and is in no other"
        " answer. Where too little is known there is none, and `reason` says why. JSON or,"
        " with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_forecast(
    context: InContext,
    who: Reader,
    query: Annotated[ForecastQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """Forecast the running periods of facilities."""
    now, as_of = moment(context, query.as_of)
    if query.organisation is None:
        facilities = await visible_facilities(context, who, query.facility)
    else:
        members = await organisation_members(context, who, query.organisation, now=now, as_of=as_of)
        facilities = members.facilities
    ids = [facility.id for facility in facilities]
    since = await context.database.read_in_thread(lambda c: first_hours(c, ids))
    horizons = _HORIZONS if query.horizon is None else (query.horizon,)
    rows: list[Row] = []
    async with context.database.read() as connection:
        for facility in facilities:
            reading = None
            first_hour = since.get(facility.id)
            if first_hour is not None and first_hour < now:
                reading = await forecast_reading(
                    context,
                    connection,
                    facility,
                    first_hour,
                    now,
                    figure=query.figure,
                    by_hour="day" in horizons,
                    as_of=as_of,
                )
            for horizon in horizons:
                running = period(horizon, now, facility.timezone)
                rows.append(
                    {
                        "time": now,
                        "organisation": None,
                        "facility": facility.slug,
                        "scope": query.scope,
                        "figure": query.figure,
                        "horizon": horizon,
                        "begins": running.begins,
                        "ends": running.ends,
                        "level": LEVEL,
                        **(
                            _unknown("nothing is known of the facility yet")
                            if reading is None
                            else await asyncio.to_thread(
                                _forecast, reading, horizon, running, query.scope
                            )
                        ),
                    }
                )

    async def answer(databases: Sequence[Sequence[Row]], headers: Mapping[str, str]) -> Response:
        answered: Sequence[Row] = [row for of_one in databases for row in of_one]
        if query.organisation is not None:
            answered = _added(answered, query.organisation)
        return rows_answer(answered, _ROWS, accept=accept, name=query.format, headers=headers)

    headers = retired_header(facilities, query.facility)
    if query.organisation is None:
        return await answer([rows], headers)
    return await combined_answer(rows, answer, headers)


def _added(rows: Sequence[Row], organisation: str) -> list[Row]:
    """Add up what facilities are expected to emit, a row for each horizon."""
    of_horizons: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: str(row["facility"])):
        of_horizons.setdefault(row["horizon"], []).append(row)
    return [added(parts, organisation) for parts in of_horizons.values()]


def _unknown(reason: str, **known: float | str | None) -> Row:
    return {
        "known_kg": None,
        "known_share": None,
        "silent_sources": "",
        **known,
        **dict.fromkeys(
            (
                "rest_kg",
                "total_kg",
                "total_low_kg",
                "total_high_kg",
                "method",
                "trained_from",
                "trained_until",
                "past_forecasts",
                "independent_forecasts",
            )
        ),
        "reason": translate(reason),
    }


def _forecast(
    reading: ForecastReading, horizon: Horizon, running: Bucket, scope: int | None
) -> Row:
    counted, active = where(reading, scope)
    zone = reading.facility.timezone
    days = reading.days
    lately = days.buckets.ends_us > to_us(reading.now - _SILENCE)
    heard = [index for index in active if days.known_ms[index, lately].any()]
    in_period = days.buckets.begins_us >= to_us(running.begins)
    is_known = bool((days.known_ms[counted][:, in_period] > 0).any())
    known_kg = float(days.kg[counted][:, in_period].sum())
    # time before the first hour of all is of the period, too
    so_far = (reading.now - running.begins) / (running.ends - running.begins)
    length_ms = (running.ends - running.begins) / timedelta(milliseconds=1) * max(1, len(heard))
    known_part = min(so_far, float(days.known_ms[heard][:, in_period].sum()) / length_ms)
    known: dict[str, float | str | None] = {
        "known_kg": known_kg if is_known else None,
        "known_share": known_part / so_far if heard and so_far > 0 else None,
        "silent_sources": " ".join(reading.slugs[i] for i in active if i not in heard),
    }
    if not heard:
        return _unknown(f"nothing is known of the newest {_SILENCE.days} days", **known)
    if so_far - known_part > 1 - LEAST_COVERAGE:
        return _unknown(_without_data(so_far - known_part, horizon), **known)
    read = (
        forecast_steps.hours(reading.hours, heard, reading.now, running.ends, zone)
        if horizon == "day" and reading.hours is not None
        else forecast_steps.days(days, heard, reading.now, running.ends, zone)
    )
    by_hour = horizon == "day"
    history, first = history_of(
        read.kg, read.known_ms, read.step_ms, newest=_LATELY_DAYS * (_DAY_HOURS if by_hour else 1)
    )
    expected = outlook(
        history,
        read.weights,
        OF_HOURS if by_hour else OF_DAYS,
        stride=_DAY_HOURS if by_hour else 1,
    )
    if expected is None:
        return _unknown(_too_short(history.size, horizon), **known)
    low = known_kg + expected.rest - expected.half
    if expected.least is not None:
        low = max(low, known_kg + expected.least)
    return {
        **known,
        "rest_kg": expected.rest,
        "total_kg": known_kg + expected.rest,
        "total_low_kg": low,
        "total_high_kg": known_kg + expected.rest + expected.half,
        "method": expected.method,
        "trained_from": from_us(int(read.begins_us[first])),
        "trained_until": read.ends,
        "past_forecasts": expected.past,
        "independent_forecasts": expected.independent,
        "reason": None,
    }


#: What a period lacks, in words that stand in a sentence in every language.
_GONE: Final[dict[Horizon, str]] = {
    "day": "of the day has gone by without data",
    "month": "of the month has gone by without data",
    "year": "of the year has gone by without data",
}


def _without_data(part: float, horizon: Horizon) -> str:
    share, allowed = f"{100 * part:.3g}", f"{100 * (1 - LEAST_COVERAGE):.3g}"
    gone = _GONE[horizon]
    return f"{share} % {gone}, and a total would leave it out; no more than {allowed} % may"


def _too_short(count: int, horizon: Horizon) -> str:
    known = "too little is known: it asks for two past forecasts as long as what is left"
    if horizon == "day":
        return f"{known}, with a week or more before them; {count} hours have all sources"
    return f"{known}, with a week or more before them; {count} days have all sources"
