"""From contracts and certificates to what they supply in each hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.scope2.certified import certified
from services.core.accounting.scope2.matching import Supply
from services.core.accounting.scope2.periods import DatedPolicy, Integers, MatchCalendar
from services.core.accounting.scope2.policies import POLICIES
from services.core.accounting.scope2.storage import StorageHours, carry
from services.core.facility.electricity import (
    MWH_KWH,
    Certificate,
    Contract,
    Electricity,
    Storage,
)
from services.core.timeline.instants import HOUR_US, to_us

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hours:
    """The hours that are matched, ascending and without a gap, and what is known of them."""

    hour_us: Integers
    load_kwh: Floats
    zone: ZoneInfo
    #: certificates that were retired until then count
    today: date
    #: kg per kWh by factor and hour; NaN where none holds
    factors: Mapping[str, Floats]
    #: kWh by channel and hour; 0 where nothing is known. Below zero it supplies nothing, such as a
    #: plant that draws power at night
    amounts: Mapping[str, Floats]

    def from_day(self, day: date | None) -> Booleans:
        """Return which hours begin at a local day or later; None: all."""
        if day is None:
            return np.ones(self.hour_us.size, dtype=np.bool_)
        return np.asarray(self.hour_us >= self.midnight_us(day), dtype=np.bool_)

    def amount(self, channel: str) -> Floats:
        """Return the kWh of a channel by hour."""
        return np.maximum(0.0, self.amounts.get(channel, np.zeros(self.hour_us.size)))

    def midnight_us(self, day: date) -> int:
        """Return when a local day begins."""
        return to_us(datetime.combine(day, time(), self.zone))


def calendar(electricity: Electricity, zone: ZoneInfo) -> MatchCalendar:
    """Return the periods that the rules of matching have."""
    return MatchCalendar(electricity.policies, zone)


def is_in_force(contract: Contract, day: date) -> bool:
    """Return whether a contract is one on a local day."""
    return (contract.from_ or date.min) <= day < (contract.to or date.max)


def measured(electricity: Electricity, hours: Hours) -> dict[str, Booleans]:
    """Return the channels that measure what contracts and storages do, and in which hours."""
    counts: dict[str, Booleans] = {}
    for contract in electricity.contracts:
        if contract.channel is not None:
            _add_hours(counts, contract.channel, _term(contract, hours))
    for storage in electricity.storage:
        for channel in storage.channels:
            _add_hours(counts, channel, hours.from_day(storage.from_))
    return counts


def _add_hours(counts: dict[str, Booleans], channel: str, more: Booleans) -> None:
    counts[channel] = counts[channel] | more if channel in counts else more


def _term(contract: Contract, hours: Hours) -> Booleans:
    """Return the hours of a contract's days."""
    if contract.to is None:
        return hours.from_day(contract.from_)
    return hours.from_day(contract.from_) & ~hours.from_day(contract.to)


def months(zone: ZoneInfo) -> MatchCalendar:
    """Return the local months, which certificates are of."""
    return MatchCalendar([DatedPolicy(policy=POLICIES["monthly"])], zone)


def supplies(electricity: Electricity, hours: Hours) -> tuple[list[Supply], dict[str, StorageUse]]:
    """Return what each contract supplies, in the order of the file, and what its storages do.

    Of a contract's storage only the contract says what it emits: its location-based mass is 0.
    """
    if not hours.hour_us.size:
        return [], {}
    certificates = _Certificates(electricity.certificates, hours)
    periods = calendar(electricity, hours.zone)
    period, policy = periods.period_of(hours.hour_us), periods.policy_of(hours.hour_us)
    same_zone = np.array([p.same_zone for p in periods.policies])[policy]
    by_hour = np.array([p.period == "hour" for p in periods.policies])[policy]
    result, uses = [], dict[str, StorageUse]()
    for contract in electricity.contracts:
        counts = _term(contract, hours)
        if contract.zone not in {None, electricity.zone}:
            counts &= ~same_zone
        factor = np.zeros(hours.hour_us.size)
        if contract.factor is not None:
            factor = hours.factors[contract.factor]
            # nobody can say what it emits where no version of its factor holds
            counts &= ~np.isnan(factor)
            factor = np.nan_to_num(factor)
        kwh, period_kwh = certificates.supplied(contract, counts, period, by_hour)
        supply = Supply(kwh=kwh, factor=factor, period_kwh=period_kwh)
        for storage in electricity.storage:
            if storage.contract == contract.id:
                nothing = np.zeros_like(factor)
                uses[storage.id] = use_of(storage, hours, supply.kwh, nothing, supply.factor)
                supply = _shifted(supply, uses[storage.id], counts)
        result.append(supply)
    return result, uses


#: Which of the masses of a storage is which.
LOCATION, MARKET = 0, 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StorageUse:
    """What goes into a storage and comes out in each hour."""

    charged_kwh: Floats
    discharged_kwh: Floats
    #: of what goes in, what the contract or the meter has
    taken_kwh: Floats
    #: what that emits, location-based and market-based
    taken_kg: Floats
    returned: StorageHours


def use_of(
    storage: Storage, hours: Hours, offered_kwh: Floats, location: Floats, market: Floats
) -> StorageUse:
    """Return what a storage takes of what it is offered, and gives back.

    ``location``, ``market``: kg per kWh of what is offered.
    """
    counts = hours.from_day(storage.from_)
    charged = np.where(counts, hours.amount(storage.charge), 0.0)
    discharged = np.where(counts, hours.amount(storage.discharge), 0.0)
    taken = np.minimum(charged, offered_kwh)
    taken_kg = taken * np.array([location, market])
    return StorageUse(
        charged_kwh=charged,
        discharged_kwh=discharged,
        taken_kwh=taken,
        taken_kg=taken_kg,
        returned=carry(taken, taken_kg, discharged, efficiency=storage.efficiency / 100),
    )


def behind_the_meter(
    electricity: Electricity, hours: Hours, location_kg: Floats, market_kg: Floats
) -> dict[str, StorageUse]:
    """Return what storages behind the meter take and give back, by the masses of the load.

    What one takes beside the load was made on the site, and emits nothing of scope 2.
    """
    has_load = hours.load_kwh > 0
    at_the_meter = [
        np.divide(kg, hours.load_kwh, out=np.zeros_like(kg), where=has_load)
        for kg in (location_kg, market_kg)
    ]
    return {
        storage.id: use_of(storage, hours, hours.load_kwh, at_the_meter[0], at_the_meter[1])
        for storage in electricity.storage
        if storage.contract is None
    }


def _shifted(supply: Supply, use: StorageUse, counts: Booleans) -> Supply:
    """Return what a contract supplies where a part of it comes out of a storage later."""
    direct = supply.kwh - use.taken_kwh
    returned = np.where(counts, use.returned.known_kwh, 0.0)
    kwh = direct + returned
    kg = direct * supply.factor + np.where(counts, use.returned.kg[MARKET], 0.0)
    factor = np.divide(kg, kwh, out=supply.factor.copy(), where=returned > 0)
    return Supply(kwh=kwh, factor=factor)


def grid_carbon_free(electricity: Electricity, hours: Hours) -> Floats:
    """Return the carbon-free ratio of the grid's electricity by hour; NaN: not stated."""
    shares = np.full(hours.hour_us.size, np.nan)
    for entry in electricity.grid_shares:
        shares[hours.from_day(entry.from_)] = entry.percent / 100
    return shares


class _Certificates:
    """Retired certificates by the hour or month that they are of."""

    def __init__(self, certificates: Sequence[Certificate], hours: Hours) -> None:
        self._hours = hours
        self._month = months(hours.zone).period_of(hours.hour_us)
        self._retired: dict[str, list[Certificate]] = {}
        for certificate in certificates:
            if certificate.retired is not None and certificate.retired <= hours.today:
                self._retired.setdefault(certificate.contract, []).append(certificate)

    def supplied(
        self, contract: Contract, counts: Booleans, period: Integers, by_hour: Booleans
    ) -> tuple[Floats, Floats | None]:
        """Return what a contract supplies by hour, and by period without an hour."""
        hours = self._hours
        of_hour, of_month = self._certified(contract.id)
        if not contract.is_told_by_certificates:
            if contract.share is not None:
                kwh = hours.load_kwh * (contract.share / 100)
            else:
                kwh = hours.amount(contract.channel or "")
            kwh = np.where(counts, kwh, 0.0)
            if contract.certified:
                kwh = certified(kwh, of_hour, self._month, of_month)
            return kwh, None
        period_kwh = np.zeros(int(period.max()) + 1)
        # a month has no hour: it supplies nothing where each hour is matched by itself
        counts_whole = counts & ~by_hour
        for month in np.flatnonzero(of_month).tolist():
            counted = np.flatnonzero(counts_whole & (self._month == month))
            if counted.size:
                period_kwh[period[counted[0]]] += of_month[month]
        return np.where(counts, of_hour, 0.0), period_kwh

    def _certified(self, contract: str) -> tuple[Floats, Floats]:
        """Return kWh by hour and by month."""
        hour_us = self._hours.hour_us
        of_hour = np.zeros(hour_us.size)
        of_month = np.zeros(int(self._month.max()) + 1)
        first_us = int(hour_us[0])
        for certificate in self._retired.get(contract, ()):
            if certificate.hour is not None:
                place = (to_us(certificate.hour) - first_us) // HOUR_US
                if 0 <= place < hour_us.size:
                    of_hour[place] += certificate.mwh * MWH_KWH
            elif certificate.month is not None:
                begin_us = self._hours.midnight_us(certificate.month)
                place = int(np.searchsorted(hour_us, begin_us))
                # the first hour of a month may begin up to an hour after it
                if hour_us[0] - begin_us < HOUR_US and place < hour_us.size:
                    of_month[self._month[place]] += certificate.mwh * MWH_KWH
        return of_hour, of_month
