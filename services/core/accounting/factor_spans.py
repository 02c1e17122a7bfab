"""Factors as they apply to one unit of a source's activity, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.hourly_factors import (
    HOURLY,
    MEANS,
    NOTHING,
    ResolvedHours,
    Uses,
    choose,
)

Floats = NDArray[np.float64]
Minutes = NDArray[np.int64]

#: Hours of series, by the series.
Hourly = Mapping[int, ResolvedHours]


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorSpan:
    """A factor as it applies to one unit of a channel, for a span of minutes."""

    from_minute: int
    #: exclusive; None: until further notice
    to_minute: int | None
    #: of a series, what an hour's value is multiplied by
    co2_kg: float
    co2e_kg: float
    co2_biogenic_kg: float = 0.0
    #: the factor's row, for explanations
    factor_id: int
    #: mmBtu by default in one unit, where a fuel is measured beside it
    heat_mmbtu: float = 0.0
    #: what was taken for granted, a sentence each
    notes: tuple[str, ...] = ()
    #: None: it is what it says all the time
    series: SeriesTerms | None = None

    def holds(self, minutes: Minutes) -> NDArray[np.bool_]:
        """In which of the minutes it holds."""
        inside = minutes >= self.from_minute
        return inside if self.to_minute is None else inside & (minutes < self.to_minute)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesTerms:
    """Where a factor's values by the hour are, and what holds for hours without one."""

    series_id: int
    #: names of means and factors
    fallback: tuple[str, ...]
    #: of each factor among them
    factors: tuple[tuple[str, tuple[FactorSpan, ...]], ...]

    @property
    def order(self) -> tuple[str, ...]:
        """What holds for an hour, in order: its value comes first."""
        return (HOURLY, *self.fallback)


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorFigures:
    """What factors say of minutes, kg per unit; 0 where not ``known``: none holds."""

    co2_kg: Floats
    co2e_kg: Floats
    #: CO2 by the factors of the contract
    market_kg: Floats
    co2_biogenic_kg: Floats
    known: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figures:
    """What one factor comes to in minutes."""

    co2_kg: Floats
    co2e_kg: Floats
    co2_biogenic_kg: Floats
    known: NDArray[np.bool_]


def per_unit(
    minutes: Minutes, versions: Sequence[FactorSpan], market: Sequence[FactorSpan], hourly: Hourly
) -> FactorFigures:
    """Return what holds in each of the minutes; where ``market`` says nothing, the other does."""
    co2, co2e, biogenic, known = _nothing(minutes.size)
    for version in versions:
        inside = version.holds(minutes)
        if version.series is None:
            co2[inside], co2e[inside] = version.co2_kg, version.co2e_kg
            biogenic[inside] = version.co2_biogenic_kg
            known |= inside
            continue
        by_hour = _by_hour(version, version.series, minutes[inside], hourly)
        co2[inside], co2e[inside] = by_hour.co2_kg, by_hour.co2e_kg
        biogenic[inside], known[inside] = by_hour.co2_biogenic_kg, by_hour.known
    market_kg = co2.copy() if market else co2
    for version in market:
        inside = version.holds(minutes) & known
        if version.series is None:
            market_kg[inside] = version.co2_kg
            continue
        by_hour = _by_hour(version, version.series, minutes[inside], hourly)
        market_kg[inside] = np.where(by_hour.known, by_hour.co2_kg, market_kg[inside])
    return FactorFigures(
        co2_kg=co2, co2e_kg=co2e, market_kg=market_kg, co2_biogenic_kg=biogenic, known=known
    )


def used(terms: SeriesTerms, minutes: Minutes, hourly: Hourly) -> Uses:
    """Return the place in the order of a series' terms of what holds in each of the minutes."""
    values = hourly[terms.series_id]
    kg = {name: values.kg_at(name, minutes) for name in (HOURLY, *MEANS)}
    for name, versions in terms.factors:
        holds = np.zeros(minutes.size, dtype=np.bool_)
        for of_factor in versions:
            holds |= of_factor.holds(minutes)
        kg[name] = np.where(holds, 0.0, np.nan)
    return choose(terms.order, kg, minutes.size)


def series(versions: Iterable[FactorSpan]) -> dict[int, set[tuple[str, ...]]]:
    """Return the series that factors count by, each with its orders of fallbacks."""
    orders: dict[int, set[tuple[str, ...]]] = {}
    for version in versions:
        if version.series is not None:
            orders.setdefault(version.series.series_id, set()).add(version.series.fallback)
    return orders


def changes(versions: Iterable[FactorSpan], hourly: Hourly) -> set[int]:
    """Return minutes at which another factor, or another hour's value, may begin to hold."""
    minutes: set[int] = set()
    for version in versions:
        minutes.add(version.from_minute)
        if version.to_minute is not None:
            minutes.add(version.to_minute)
        if version.series is not None:
            hours = hourly[version.series.series_id].hours
            minutes.update((hours * 60).tolist(), (hours * 60 + 60).tolist())
            for _, of_factor in version.series.factors:
                minutes |= changes(of_factor, hourly)
    return minutes


def _by_hour(version: FactorSpan, terms: SeriesTerms, minutes: Minutes, hourly: Hourly) -> _Figures:
    """Return what a series comes to in the minutes."""
    values = hourly[terms.series_id]
    place = used(terms, minutes, hourly)
    co2, co2e, biogenic, known = _nothing(minutes.size)
    factors = dict(terms.factors)
    for i, name in enumerate(terms.order):
        chosen = place == i
        if name in factors:
            for of_factor in factors[name]:
                inside = chosen & of_factor.holds(minutes)
                co2[inside], co2e[inside] = of_factor.co2_kg, of_factor.co2e_kg
                biogenic[inside] = of_factor.co2_biogenic_kg
        else:
            kg = values.kg_at(name, minutes[chosen])
            co2[chosen], co2e[chosen] = kg * version.co2_kg, kg * version.co2e_kg
    known = place != NOTHING
    return _Figures(co2_kg=co2, co2e_kg=co2e, co2_biogenic_kg=biogenic, known=known)


def _nothing(size: int) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    return np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size, dtype=np.bool_)
