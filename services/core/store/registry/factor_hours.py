"""What factors of electricity come to in each hour, kg of CO2 per kWh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.factors import Factor
from services.core.accounting.hourly_factors import HOURLY, choose
from services.core.store.factor_series.values import resolved_hours
from services.core.store.registry import factors
from services.core.timeline.instants import HOUR_US, to_us


def factor_hours(
    connection: psycopg.Connection[Any],
    facility_id: int,
    slugs: Sequence[str],
    hour_us: NDArray[np.int64],
    *,
    zone: ZoneInfo,
    as_of: datetime | None,
) -> Mapping[str, NDArray[np.float64]]:
    """Read kg of CO2 per kWh by factor and hour; NaN where no version holds.

    ``zone``: versions begin at its midnights. ``as_of``: as they were known then, None: now.
    """
    if not slugs:
        return {}
    versions = factors.in_force(connection, facility_id, slugs, as_of)
    if behind := factors.fallbacks(versions):
        versions |= factors.in_force(connection, facility_id, sorted(behind), as_of)

    def by_hour(slug: str) -> NDArray[np.float64]:
        kg = np.full(hour_us.size, np.nan)
        for _, factor in versions.get(slug, []):
            holds = _holds(factor, hour_us, zone)
            if factor.is_series:
                others = {name: by_hour(name)[holds] for name in factors.fallbacks_of(factor)}
                kg[holds] = _by_value(connection, factor, others, hour_us[holds], as_of)
            else:
                kg[holds] = co2_per_unit(factor, "kWh").co2_kg
        return kg

    return {slug: by_hour(slug) for slug in slugs}


def _holds(factor: Factor, hour_us: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.bool_]:
    holds = np.ones(hour_us.size, dtype=np.bool_)
    for day, is_end in ((factor.valid_from, False), (factor.valid_to, True)):
        if day is not None:
            midnight_us = to_us(datetime.combine(day, time(), zone))
            holds &= (hour_us < midnight_us) if is_end else (hour_us >= midnight_us)
    return holds


def _by_value(
    connection: psycopg.Connection[Any],
    factor: Factor,
    others: Mapping[str, NDArray[np.float64]],
    hour_us: NDArray[np.int64],
    as_of: datetime | None,
) -> NDArray[np.float64]:
    """Return what a series comes to in the hours; ``others``: factors that it falls back to."""
    order, series_id = factor.fallback or (), factor.series_id or 0
    hours, place = np.unique(hour_us // HOUR_US, return_inverse=True)
    values = resolved_hours(connection, {series_id: {order}}, hours, as_of)[series_id]
    share = co2_per_unit(replace(factor, co2_kg=1.0), "kWh").co2_kg
    kg = {name: column[place] * share for name, column in values.kg.items()} | dict(others)
    names = (HOURLY, *order)
    used = choose(names, kg, hour_us.size)
    return np.select([used == i for i in range(len(names))], [kg[name] for name in names], np.nan)
