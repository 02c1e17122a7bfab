"""Match a load with what contracts supply, within the periods of a policy.

Within a period contracts supply the load in their order, each no more than it has; what one period
has too much supplies no other. A period longer than an hour is spread over its hours by their load,
so that the hours of a period add up to it.

Location-based: what the load emits by the factors of its grid. Market-based: what contracts supply
by the contracts' factors, the rest by the residual mix, which is what the market-based total of the
hour comes to without contracts. A policy that matches within months or years has a residual mix of
the period: the mean of its hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.scope2.periods import Integers

Floats = NDArray[np.float64]

#: So little of a load is left by the rounding of sums alone: 30 % and 70 % of it are all of it.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Load:
    """What was used in each hour; 0 where nothing is known of it."""

    kwh: Floats
    #: market-based, as if there were no contracts
    market_kg: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Supply:
    """What a contract supplies in each hour, not below zero, and how much CO2 that emits."""

    kwh: Floats
    #: kg per kWh
    factor: Floats
    #: contracted for a whole period, without an hour
    period_kwh: Floats | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MatchedHours:
    """How each hour of a load is supplied."""

    #: by supply and hour; what is contracted for a period is spread over it as its load is
    contracted_kwh: Floats
    used_kwh: Floats
    used_kg: Floats
    #: what no contract supplies, by hour
    rest_kwh: Floats
    market_kg: Floats
    #: of what contracts supply, the part that emits nothing
    carbon_free_kwh: Floats
    #: what no contract supplies where each hour is matched by itself, whatever the policy says
    hourly_rest_kwh: Floats = field(repr=False)


def match(load: Load, supplies: Sequence[Supply], period: Integers) -> MatchedHours:
    """Match a load; ``period``: the number of each hour's period, from 0 without a gap."""
    used, rest = _shared_out(load.kwh, supplies, period)
    hours = np.arange(load.kwh.size)
    _, hourly_rest = _shared_out(
        load.kwh, [Supply(kwh=supply.kwh, factor=supply.factor) for supply in supplies], hours
    )
    factors = np.array([supply.factor for supply in supplies]).reshape(used.shape)
    used_kg = used * factors
    contracted = [_contracted(supply, load.kwh, period) for supply in supplies]
    return MatchedHours(
        contracted_kwh=np.array(contracted).reshape(used.shape),
        used_kwh=used,
        used_kg=used_kg,
        rest_kwh=rest,
        market_kg=used_kg.sum(axis=0) + _rest_kg(load, rest, period),
        # whatever emits nothing
        carbon_free_kwh=np.where(factors <= 0, used, 0.0).sum(axis=0),
        hourly_rest_kwh=hourly_rest,
    )


def _contracted(supply: Supply, load_kwh: Floats, period: Integers) -> Floats:
    """Return what a contract has in each hour."""
    if supply.period_kwh is None:
        return supply.kwh
    has_load = _sums(load_kwh, period) > 0
    # where there is no load, all hours alike
    weights = np.where(has_load[period], load_kwh, 1.0)
    return supply.kwh + (supply.period_kwh / _sums(weights, period))[period] * weights


def _shared_out(
    load_kwh: Floats, supplies: Sequence[Supply], period: Integers
) -> tuple[Floats, Floats]:
    """Return what each supply gives in each hour, and what none gives."""
    whole = _sums(load_kwh, period)
    left = whole.copy()
    used = np.zeros((len(supplies), load_kwh.size))
    for index, supply in enumerate(supplies):
        offered = _sums(supply.kwh, period)
        if supply.period_kwh is not None:
            offered = offered + supply.period_kwh
        taken = np.minimum(offered, left)
        left = left - taken
        left[np.abs(left) <= _ROUNDING * whole] = 0.0
        used[index] = _spread(taken, whole, load_kwh, period)
    return used, _spread(left, whole, load_kwh, period)


def _spread(amount: Floats, whole: Floats, load_kwh: Floats, period: Integers) -> Floats:
    """Spread what a period has over its hours, by their load."""
    share = np.divide(amount, whole, out=np.zeros_like(amount), where=whole > 0)
    result: Floats = load_kwh * share[period]
    # an hour that is a period has the amount itself, which no division rounds
    alone = np.bincount(period, minlength=amount.size) == 1
    return np.where(alone[period], np.where(load_kwh > 0, amount[period], 0.0), result)


def _rest_kg(load: Load, rest_kwh: Floats, period: Integers) -> Floats:
    """Return what the rest emits by the residual mix of its period."""
    has_load = load.kwh > 0
    factor = np.divide(load.market_kg, load.kwh, out=np.zeros_like(load.kwh), where=has_load)
    count = _sums(has_load.astype(np.float64), period)
    mean = np.divide(_sums(factor, period), count, out=np.zeros_like(count), where=count > 0)
    # of one hour: no division where nothing is supplied
    alone = (np.bincount(period) == 1)[period] & (rest_kwh == load.kwh)
    return np.where(alone, load.market_kg, rest_kwh * mean[period])


def _sums(values: Floats, period: Integers) -> Floats:
    # of no hours it would be integers
    return np.bincount(period, weights=values).astype(np.float64)
