"""What may be emitted in each year: paths from the base year to the last year that is stated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.core.accounting.factors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A figure of a year, such as a milestone."""

    year: int
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """Allowances of the years after the base year, without a gap."""

    base_year: int
    base_kg: float
    #: by year, from the one after the base year on
    allowed_kg: Mapping[int, float]
    #: what may still be emitted in a neutral year, if as much is removed for good
    residual_kg: float

    @property
    def last_year(self) -> int:
        """The last year that the path states; after it, its allowance holds on."""
        return max(self.allowed_kg)

    @property
    def neutral_year(self) -> int | None:
        """The first year from which on no more than the residual is allowed; None: none is."""
        neutral = None
        for year in sorted(self.allowed_kg, reverse=True):
            if self.allowed_kg[year] > self.residual_kg * (1 + 1e-9):
                break
            neutral = year
        return neutral

    @property
    def budget_kg(self) -> float:
        """What may be emitted over all years of the path."""
        return math.fsum(self.allowed_kg.values())

    def allowed(self, year: int) -> float | None:
        """Return what may be emitted in a year; None: the path has not begun."""
        if year <= self.base_year:
            return None
        return self.allowed_kg[min(year, self.last_year)]


def contraction(base: Point, percent_a_year: float, *, residual_percent: float = 0.0) -> Path:
    """Return a linear absolute contraction: each year so many percent of the base less.

    It ends in the first year that allows no more than the residual.
    """
    residual = base.value * residual_percent / 100
    count = math.ceil(round((100 - residual_percent) / percent_a_year, 9))
    return Path(
        base_year=base.year,
        base_kg=base.value,
        allowed_kg={
            base.year + n: max(residual, base.value * (100 - percent_a_year * n) / 100)
            for n in range(1, count + 1)
        },
        residual_kg=residual,
    )


def stated(
    base: Point, milestones: Sequence[Point], *, steps: bool = False, residual_percent: float = 0.0
) -> Path:
    """Return a path through stated points, straight between them.

    ``steps``: each point holds from its year to the year before the next; the base holds up to the
    first.

    :raises ConfigurationError: a point does not come after the base year.
    """
    points = [base, *sorted(milestones, key=lambda point: point.year)]
    if len(points) < 2 or points[1].year <= base.year:
        raise ConfigurationError("milestones come after the base year, and there is one at least")
    return Path(
        base_year=base.year,
        base_kg=base.value,
        allowed_kg=_between(points, steps=steps),
        residual_kg=base.value * residual_percent / 100,
    )


def peak_then_neutral(
    base: Point, peak: Point, neutral_year: int, *, residual_percent: float = 0.0
) -> Path:
    """Return a path that rises, or falls, straight to a peak, then falls straight to a residual.

    ``residual_percent``: of the peak.

    :raises ConfigurationError: the years are not in order.
    """
    if not base.year <= peak.year < neutral_year:
        raise ConfigurationError("the base year, the peak and the neutral year come in this order")
    residual = peak.value * residual_percent / 100
    neutral = Point(year=neutral_year, value=residual)
    allowed = _between([peak, neutral])
    if base.year < peak.year:
        allowed = _between([base, peak]) | allowed
    return Path(base_year=base.year, base_kg=base.value, allowed_kg=allowed, residual_kg=residual)


def convergence(
    base: Point,
    own_amounts: Sequence[Point],
    sector_kg_per_unit: Sequence[Point],
    sector_amounts: Sequence[Point] = (),
    *,
    residual_percent: float = 0.0,
) -> Path:
    """Return the path of the sectoral decarbonisation approach (SDA): intensities converge.

    With ``d`` the distance of the own intensity in the base year from the sector's in its last
    year, ``p`` the share of the sector's way that is left, and ``m`` the own market share in the
    base year over that of the year, the own intensity is ``d p m`` plus the sector's last one.
    What is allowed is that intensity times the own amount of the year.

    ``sector_amounts``: none: the market share stays (m = 1). Figures are straight between years.

    :raises ConfigurationError: a figure is missing in a year, or the sector's way has no length.
    """
    sector, production = _filled(sector_kg_per_unit), _filled(own_amounts)
    market = _filled(sector_amounts) if sector_amounts else None
    first, last = base.year, max(sector)
    figures = {"sector": sector, "production": production}
    if market is not None:
        figures["sector_production"] = market
    for name, of_year in figures.items():
        for year in range(first, last + 1):
            if year not in of_year or (name != "sector" and of_year[year] <= 0):
                raise ConfigurationError(
                    f"{name} has no figure of {year}: state it from {first} to {last}"
                )
    way = sector[first] - sector[last]
    if way == 0 or last == first:
        raise ConfigurationError("the sector's intensity does not change: state milestones instead")
    distance = base.value / production[first] - sector[last]
    allowed = {}
    for year in range(first + 1, last + 1):
        share = 1.0
        if market is not None:
            share = (production[first] / market[first]) / (production[year] / market[year])
        left = (sector[year] - sector[last]) / way
        allowed[year] = max(0.0, (distance * left * share + sector[last]) * production[year])
    return Path(
        base_year=base.year,
        base_kg=base.value,
        allowed_kg=allowed,
        residual_kg=base.value * residual_percent / 100,
    )


def _filled(points: Sequence[Point]) -> dict[int, float]:
    """Return the figures of all years between points, straight between them."""
    ordered = sorted(points, key=lambda point: point.year)
    if not ordered:
        return {}
    return {ordered[0].year: ordered[0].value} | _between(ordered)


def _between(points: Sequence[Point], *, steps: bool = False) -> dict[int, float]:
    """Return the figures of the years after the first point, up to the last one."""
    figures = {}
    for one, two in pairwise(points):
        length = two.year - one.year
        for n in range(1, length + 1):
            part = (one.value * (length - n) + two.value * n) / length
            figures[one.year + n] = two.value if n == length else one.value if steps else part
    return figures
