"""What factors of electricity come to in each hour, kg of CO2 per kWh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.factors import Factor
from services.core.store.registry import factors
from services.core.timeline.instants import to_us


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
    return {
        slug: _by_hour((factor for _, factor in versions.get(slug, [])), hour_us, zone)
        for slug in slugs
    }


def _by_hour(
    versions: Iterable[Factor], hour_us: NDArray[np.int64], zone: ZoneInfo
) -> NDArray[np.float64]:
    kg = np.full(hour_us.size, np.nan)
    for factor in versions:
        holds = np.ones(hour_us.size, dtype=np.bool_)
        for day, is_end in ((factor.valid_from, False), (factor.valid_to, True)):
            if day is not None:
                midnight_us = to_us(datetime.combine(day, time(), zone))
                holds &= (hour_us < midnight_us) if is_end else (hour_us >= midnight_us)
        kg[holds] = co2_per_unit(factor, "kWh").co2_kg
    return kg
