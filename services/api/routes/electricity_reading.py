"""What ``/v1/electricity`` reads of each facility: hours, contracts, and how they match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import run_in_threadpool

from services.api.database import Database
from services.api.http.intervals import HOURLY
from services.api.http.problems import TooManyRows
from services.api.models.emission_table import Series
from services.api.routes.emission_series import hours_then, series_of
from services.core.facility.electricity import Electricity
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.electricity import (
    MatchedElectricity,
    amount_hours,
    counted_channels,
    load_hours,
    loads,
    matched_electricity,
    reach,
)
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.registry.electricity import electricity
from services.core.store.registry.factor_hours import factor_hours
from services.core.timeline.instants import HOUR_US, from_us, to_us

#: Hours of a facility that one answer matches; no facility has more history.
_MAX_HOURS: Final = 300_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FacilityElectricity:
    """A facility that states its electricity, and the intervals that are asked for."""

    facility: FacilityRow
    stated: Electricity
    buckets: Buckets

    @property
    def zone(self) -> ZoneInfo:
        """Return the facility's time zone."""
        return ZoneInfo(self.facility.timezone)


async def stated_electricity(
    database: Database, facilities: Sequence[FacilityRow], as_of: datetime | None
) -> list[tuple[FacilityRow, Electricity]]:
    """Read what facilities state of electricity, those that do."""
    ids = [facility.id for facility in facilities]
    stated = await database.read_in_thread(lambda c: electricity(c, ids, as_of))
    return [(row, stated[row.id]) for row in facilities if row.id in stated]


async def read_matched(
    database: Database,
    accounts: KnownAccounts,
    connection: AsyncConnection,
    asked: FacilityElectricity,
    *,
    now: datetime,
    as_of: datetime | None,
) -> MatchedElectricity:
    """Read the hours of a facility, up to ``now``, and match them.

    :raises TooManyRows: there are more than one answer matches.
    """
    first_us, end_us = _reach(asked)
    first, end = from_us(first_us), min(from_us(end_us), now)
    if reads_too_much(asked):
        raise TooManyRows(
            f"More than {_MAX_HOURS} hours of {asked.facility.slug} would be matched; ask for a"
            " shorter time span."
        )
    series = await series_of(
        connection,
        accounts,
        [asked.facility],
        [],
        first,
        end,
        now=now,
        as_of=as_of,
        with_production=bool(asked.stated.channels),
    )
    counted = [listed for part in series for listed in part.sources if listed.counts]
    present = [listed.source for listed in counted]
    bought, channels = loads(asked.stated, present), counted_channels(asked.stated, present)
    chosen = {source.id for source in (*bought, *channels)}
    counted = [listed for listed in counted if listed.source.id in chosen]
    then = None
    if as_of is not None and counted:
        part = Series(timezone=asked.facility.timezone, sources=tuple(counted))
        hours = Buckets.between([first, from_us(end_us)])
        known = await hours_then(database, [(part, hours)], HOURLY, now)
        then = None if known is None else known.among(chosen).figures
    # what lies ahead of the clock is no hour yet
    end_us = min(end_us, -(-to_us(now) // HOUR_US) * HOUR_US)
    load = await load_hours(connection, bought, first_us, end_us, now=now, then=then)
    amounts = await amount_hours(connection, channels, first_us, end_us, now=now, then=then)
    factors = await _factors(database, asked, load.hour_us, as_of)

    def work() -> MatchedElectricity:
        return matched_electricity(
            asked.stated, load, amounts, zone=asked.zone, now=now, factors=factors
        )

    # thousands of certificates take a tenth of a second, in which streams go on
    return await run_in_threadpool(work)


def reads_too_much(asked: FacilityElectricity) -> bool:
    """Return whether more hours would be matched than one answer matches."""
    first_us, end_us = _reach(asked)
    return (end_us - first_us) // HOUR_US > _MAX_HOURS


def _reach(asked: FacilityElectricity) -> tuple[int, int]:
    return reach(asked.stated, asked.zone, asked.buckets[0].begins, asked.buckets[-1].ends)


async def _factors(
    database: Database,
    asked: FacilityElectricity,
    hour_us: NDArray[np.int64],
    as_of: datetime | None,
) -> Mapping[str, NDArray[np.float64]]:
    named = asked.stated.factors
    if not named:
        return {}

    def ask(connection: psycopg.Connection[Any]) -> Mapping[str, NDArray[np.float64]]:
        return factor_hours(
            connection, asked.facility.id, named, hour_us, zone=asked.zone, as_of=as_of
        )

    return await database.read_in_thread(ask)
