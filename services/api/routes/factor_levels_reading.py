"""What of emissions counted by factors of the hour, read beside them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.models.emission_table import Series
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.factor_levels import (
    FactorLevels,
    factor_levels,
    hours_of,
    levels_of,
    parts_of_buckets,
    put_together,
)
from services.core.store.answers.factor_words import hour_words
from services.core.store.computation.hours_then import HoursThen
from services.core.timeline.instants import HOUR_US


def counts_by_series(series: Series) -> bool:
    """Return whether any of the sources counts by factors of the hour."""
    return any(listed.account and listed.account.series for listed in series.sources)


async def read_levels(
    database: Database,
    connection: AsyncConnection,
    facilities: Mapping[str, FacilityRow],
    series: Series,
    buckets: Buckets,
    rows: EmissionColumns,
    *,
    now: datetime,
    as_of: datetime | None,
    then: HoursThen | None,
) -> FactorLevels:
    """Read it of the sources of a time zone; ``facilities``: by their ids in files.

    ``rows``, ``now`` and ``then``: as rows were read of the buckets. Those that are neither whole
    hours of UTC nor lie within one are rows of minutes; they are read once more, cut at hours.
    """
    source_ids = [listed.source.id for listed in series.sources]
    asked = buckets
    if is_cut := _cuts_hours(buckets):
        buckets = parts_of_buckets(asked)
        rows = await emissions.days_of_minutes(connection, source_ids, buckets, now=now)
    hours = hours_of(buckets, now)
    named = {
        place: (facilities[listed.facility].id, listed.account.series)
        for place, listed in enumerate(series.sources)
        if listed.account is not None and listed.account.series is not None
    }
    zone = ZoneInfo(series.timezone)

    def ask(asking: psycopg.Connection[Any]) -> dict[tuple[int, str], Integers]:
        return {
            (facility, factor): levels_of(
                hour_words(asking, facility, factor, hours, zone=zone, as_of=as_of)
            )
            for facility, factor in sorted(set(named.values()))
        }

    by_factor = await database.read_in_thread(ask)
    levels = await factor_levels(
        connection,
        rows,
        source_ids,
        buckets,
        {place: by_factor[key] for place, key in named.items()},
        now=now,
        then=then,
    )
    return put_together(levels, buckets, asked, len(source_ids)) if is_cut else levels


def _cuts_hours(buckets: Buckets) -> bool:
    """Return whether a bucket begins or ends within an hour that it does not lie in."""
    is_longer = buckets.ends_us - buckets.begins_us >= HOUR_US
    is_cut = (buckets.begins_us % HOUR_US != 0) | (buckets.ends_us % HOUR_US != 0)
    return bool((is_longer & is_cut).any())
