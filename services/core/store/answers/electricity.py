"""Electricity of a facility by the hour: its load, and what contracts supply of it.

All of it is computed from the hours when it is asked for, and none of it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.scope2.matching import Load, MatchedHours, match
from services.core.accounting.scope2.periods import MatchCalendar
from services.core.accounting.units import conversion
from services.core.facility import assemble_electricity
from services.core.facility.assemble_electricity import StorageUse
from services.core.facility.electricity import Electricity
from services.core.store.answers.buckets import Integers
from services.core.store.answers.facility_queries import SourceRow
from services.core.store.answers.hour_columns import hour_columns
from services.core.store.emissions.hours_as_known import HourFigures
from services.core.timeline.instants import HOUR_US, from_us, to_us

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_UG_PER_KG = 1e9
_UNITS = 1e9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LoadHours:
    """What a facility used in each hour of a span, without a gap; 0 where nothing is known."""

    hour_us: Integers
    kwh: Floats
    #: location-based
    co2_kg: Floats
    #: market-based, as if there were no contracts
    market_kg: Floats
    #: time of all sources of which the load is known
    known_ms: Integers
    #: whether hours of it were computed, and all of them are closed
    final: Booleans
    sources: int

    @property
    def known(self) -> Booleans:
        """Whether anything is known of an hour."""
        return self.known_ms > 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchedElectricity:
    """The hours of a facility with the contracts that supply them."""

    stated: Electricity
    load: LoadHours
    calendar: MatchCalendar
    matched: MatchedHours
    #: by its id
    storages: Mapping[str, StorageUse]
    #: time of which the channel of a contract is known, by channel and hour
    amounts_known_ms: Mapping[str, Integers]
    #: the hours in which the channel of a contract or storage counts, by channel
    measured: Mapping[str, Booleans]
    #: what of the grid's electricity is carbon-free, as a ratio; NaN: not stated
    grid_carbon_free: Floats


def counted_channels(electricity: Electricity, sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Return what counts the channels of contracts and storages."""
    return [
        source
        for source in sources
        if source.scope == 0
        and source.slug in electricity.channels
        and source.activity_unit in _KWH
    ]


def loads(electricity: Electricity, sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Return which sources, of those that count, are electricity that was bought."""
    return [
        source
        for source in sources
        if source.scope == 2
        and source.activity_unit in _KWH
        and (not electricity.sources or source.slug in electricity.sources)
    ]


#: Units of energy that meters have.
_KWH: Mapping[str, float] = {
    name: conversion(name, "kWh")(1.0)
    for name in ("Wh", "kWh", "MWh", "GWh", "J", "kJ", "MJ", "GJ")
}


async def load_hours(
    connection: AsyncConnection,
    sources: Sequence[SourceRow],
    first_us: int,
    end_us: int,
    *,
    now: datetime,
    then: Mapping[tuple[int, int], HourFigures] | None = None,
) -> LoadHours:
    """Read the hours of the sources from ``first_us`` to before ``end_us``, whole hours of UTC.

    ``now`` and ``then``: as :func:`hour_columns` has them.
    """
    hour_us = np.arange(first_us, end_us, HOUR_US)
    kwh, co2_kg, market_kg = (np.zeros(hour_us.size) for _ in range(3))
    known_ms = np.zeros(hour_us.size, dtype=np.int64)
    final = np.full(hour_us.size, bool(sources), dtype=np.bool_)
    ids = [source.id for source in sources]
    if ids and hour_us.size:
        hours = await hour_columns(
            connection, ids, from_us(first_us), from_us(end_us), now=now, then=then
        )
        place = (hours.hour_us - first_us) // HOUR_US
        to_kwh = dict(
            zip(ids, (_KWH[source.activity_unit or ""] for source in sources), strict=True)
        )
        scale = np.array([to_kwh[source] for source in hours.source_id.tolist()])
        known = np.maximum(0, np.sum(list(hours.methods_ms.values()), axis=0))
        # an hour that its rule closed without a value has none
        counts = known > 0
        for column, values in (
            (kwh, hours.figures["activity_n"] / _UNITS * scale),
            (co2_kg, hours.figures["co2_ug"] / _UG_PER_KG),
            (market_kg, hours.figures["market_ug"] / _UG_PER_KG),
        ):
            np.add.at(column, place[counts], values[counts])
        np.add.at(known_ms, place, known)
        np.logical_and.at(final, place, hours.final)
        final &= np.isin(np.arange(hour_us.size), place)
    return LoadHours(
        hour_us=hour_us,
        kwh=kwh,
        co2_kg=co2_kg,
        market_kg=market_kg,
        known_ms=known_ms,
        final=final,
        sources=len(sources),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AmountHours:
    """What a channel counted in each hour; 0 where nothing is known."""

    kwh: Floats
    known_ms: Integers


async def amount_hours(
    connection: AsyncConnection,
    sources: Sequence[SourceRow],
    first_us: int,
    end_us: int,
    *,
    now: datetime,
    then: Mapping[tuple[int, int], HourFigures] | None = None,
) -> dict[str, AmountHours]:
    """Read what channels of generation and storages counted, by channel; see :func:`load_hours`."""
    amounts = {}
    for source in sources:
        hours = await load_hours(connection, [source], first_us, end_us, now=now, then=then)
        amounts[source.slug] = AmountHours(kwh=hours.kwh, known_ms=hours.known_ms)
    return amounts


def matched_electricity(
    electricity: Electricity,
    load: LoadHours,
    amounts: Mapping[str, AmountHours],
    *,
    zone: ZoneInfo,
    now: datetime,
    factors: Mapping[str, Floats],
) -> MatchedElectricity:
    """Match the load; ``factors``: kg per kWh by hour, of those that contracts name."""
    hours = assemble_electricity.Hours(
        hour_us=load.hour_us,
        load_kwh=load.kwh,
        zone=zone,
        today=now.astimezone(zone).date(),
        factors=factors,
        amounts={channel: amount.kwh for channel, amount in amounts.items()},
    )
    supplies, storages = assemble_electricity.supplies(electricity, hours)
    calendar = assemble_electricity.calendar(electricity, zone)
    matched = match(
        Load(kwh=load.kwh, market_kg=load.market_kg), supplies, calendar.period_of(load.hour_us)
    )
    return MatchedElectricity(
        stated=electricity,
        load=load,
        calendar=calendar,
        matched=matched,
        storages=storages
        | assemble_electricity.behind_the_meter(electricity, hours, load.co2_kg, matched.market_kg),
        amounts_known_ms={channel: amount.known_ms for channel, amount in amounts.items()},
        measured=assemble_electricity.measured(electricity, hours),
        grid_carbon_free=assemble_electricity.grid_carbon_free(electricity, hours),
    )


def reach(
    electricity: Electricity, zone: ZoneInfo, begins: datetime, ends: datetime
) -> tuple[int, int]:
    """Return the hours that an answer about a span needs: all of its periods and months."""
    first_us, end_us = to_us(begins), to_us(ends)
    first_us, end_us = assemble_electricity.calendar(electricity, zone).whole(first_us, end_us)
    if electricity.certificates:
        first_us, end_us = assemble_electricity.months(zone).whole(first_us, end_us)
    for storage in electricity.storage:
        # what is in it depends on all that went into it
        first_us = min(first_us, to_us(datetime.combine(storage.from_, time(), zone)))
    # the first hour of a zone whose days begin within an hour is the one that begins in the day
    return -(-first_us // HOUR_US) * HOUR_US, -(-end_us // HOUR_US) * HOUR_US
