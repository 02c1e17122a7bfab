"""What the weather has in the difference of a path's highest and newest sum of 365 days."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.http.intervals import DAILY, cut
from services.api.http.shapes import Row
from services.api.languages.reader import translate
from services.api.routes.pathway_groups import DatedPeak, ScopeStanding
from services.core.accounting.pathway.days import DailyMasses
from services.core.accounting.pathway.peak import DAYS, Peak
from services.core.accounting.pathway.temperatures import daily_means
from services.core.accounting.pathway.weather import (
    Floats,
    WeatherEffect,
    degree_days,
    weather_effect,
)
from services.core.accounting.units import conversion
from services.core.facility.weather import Weather
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.weather import stated_weather
from services.core.store.readings.chart import channels, every_reading
from services.core.store.readings.packing.archived import ArchivedDayError

_KEYS: Final = (
    "heating_degree_days",
    "highest_heating_degree_days",
    "cooling_degree_days",
    "highest_cooling_degree_days",
    "weather_kg",
    "below_peak_at_same_weather_kg",
    "below_peak_at_same_weather_half_kg",
    "peak_at_same_weather",
)


def no_weather(reason: str | None) -> Row:
    """Return the part of a row that tells of weather, where nothing can be told."""
    return {**dict.fromkeys(_KEYS), "weather_reason": None if reason is None else translate(reason)}


async def weather(
    connection: AsyncConnection,
    parts: Sequence[ScopeStanding],
    dated: DatedPeak | None,
    *,
    is_past: bool,
) -> Row:
    """Compare the newest 365 days with the highest at the weather of the highest."""
    if len(parts) > 1:
        return no_weather("weather is told of one facility at a time")
    reading = parts[0].reading
    stated = await stated_weather(connection, reading.facility.id)
    if stated is None or reading.days is None:
        return no_weather(None)
    if is_past or dated is None or dated.peak.highest_day == dated.peak.newest_day:
        return no_weather(
            "weather is told as it is known now: leave as_of out"
            if is_past
            else "there are no two sums of 365 days to compare"
        )
    try:
        effect = await _effect(connection, reading.facility, stated, reading.days, dated.peak)
    except ArchivedDayError as error:
        return no_weather(f"{error}")
    if effect is None:
        return no_weather(
            f"{stated.temperature} tells the temperature of fewer than 90 % of the days of a sum"
        )
    return _row(effect, dated.peak)


async def _effect(
    connection: AsyncConnection,
    facility: FacilityRow,
    stated: Weather,
    masses: DailyMasses,
    peak: Peak,
) -> WeatherEffect | None:
    # of one facility days of the sum are days of its series
    first, last = peak.highest_day - DAYS + 1, peak.newest_day
    days = _days(masses, first, last, facility.timezone)
    mean_c = await _daily_means(connection, facility.id, stated, days)
    return await asyncio.to_thread(
        weather_effect,
        masses.kg[:, first : last + 1].sum(axis=0),
        degree_days(mean_c, stated.heating_base, stated.cooling_base),
        highest_day=DAYS - 1,
        newest_day=last - first,
    )


def _days(masses: DailyMasses, first: int, last: int, timezone: str) -> Buckets:
    zone = ZoneInfo(timezone)
    begins, ends = (
        datetime.combine(masses.first + timedelta(days=day), datetime.min.time(), zone)
        for day in (first, last + 1)
    )
    return cut(DAILY, begins, ends, timezone=timezone, limit=last - first + 1)


async def _daily_means(
    connection: AsyncConnection, facility_id: int, stated: Weather, days: Buckets
) -> Floats:
    device, slug = stated.temperature.split(".")
    (channel,) = await channels(connection, facility_id, devices=[device], slugs=[slug])
    read = await every_reading(
        connection, channel, begins=days[0].begins, ends=days[-1].ends, limit=sys.maxsize
    )
    # bad, calibration and maintenance are no temperature
    value = np.where((read.series.quality <= 1) & ~read.series.missing, read.series.value, np.nan)
    in_c = conversion(channel.unit, "degC")(value)
    return daily_means(read.series.ts_us, in_c, days.begins_us, days.ends_us)


def _row(effect: WeatherEffect, raw: Peak) -> Row:
    """Tell the comparison at the same weather: the newest sum as if it had that of the highest."""
    half = None if raw.half_kg is None else float(np.hypot(raw.half_kg, effect.half_kg))
    same = replace(raw, newest_kg=raw.newest_kg + effect.kg, half_kg=half)
    return {
        "heating_degree_days": effect.newest.heating,
        "highest_heating_degree_days": effect.highest.heating,
        "cooling_degree_days": effect.newest.cooling,
        "highest_cooling_degree_days": effect.highest.cooling,
        "weather_kg": effect.kg,
        "below_peak_at_same_weather_kg": same.below_kg,
        "below_peak_at_same_weather_half_kg": same.half_kg,
        "peak_at_same_weather": same.verdict,
        "weather_reason": None,
    }
