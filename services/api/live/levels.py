"""What the running day, month and year of sources with factors by the hour counted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from services.api.models.emission_table import ListedSource
from services.api.models.factor_levels import level_shares
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.factor_levels import LEVELS, FactorLevels
from services.core.store.schema.figures import kg
from services.core.timeline.instants import HOUR_US, from_us, to_us
from services.core.timeline.windows import TO_DATE, first_minutes


def windows_of(now: datetime, zone: ZoneInfo) -> dict[str, int]:
    """Return the first hour that begins in each window, microseconds since the epoch."""
    begins = first_minutes(now.replace(second=0, microsecond=0), zone)
    return {window: -(-to_us(begins[window]) // HOUR_US) * HOUR_US for window in TO_DATE}


def parts_of(windows: Mapping[str, int], now: datetime, zone: ZoneInfo) -> Buckets:
    """Return the parts that windows are made of: each begins with one; the last is a local day."""
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    ends_us = -(-to_us(midnight + timedelta(days=1)) // HOUR_US) * HOUR_US
    return Buckets.between([from_us(us) for us in sorted({*windows.values(), ends_us})])


def level_totals(
    sources: Sequence[ListedSource],
    windows: Mapping[str, int],
    parts: Buckets,
    rows: EmissionColumns,
    levels: FactorLevels,
    now: datetime,
) -> dict[str, Any]:
    """Build the part of the live body; ``rows`` and ``levels``: of all sources and parts."""
    counts = np.array([listed.counts for listed in sources])[rows.source]

    def totals(chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
        return {
            window: _shares(levels, chosen & (parts.begins_us[rows.bucket] >= begins_us))
            for window, begins_us in windows.items()
        }

    return {
        "as_of": now,
        "totals": totals(counts),
        "sources": [
            {
                "source": listed.source.slug,
                "factor": listed.account.series,
                "totals": totals(rows.source == place),
            }
            for place, listed in enumerate(sources)
            if listed.account is not None
        ],
    }


def _shares(levels: FactorLevels, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    masses = [sum(mass[chosen].tolist()) for mass in levels.masses_ug.values()]
    shares = level_shares(masses)
    of_levels = dict.fromkeys(LEVELS) if shares is None else dict(zip(LEVELS, shares, strict=True))
    return {"co2_kg": kg(sum(masses)), **of_levels}
