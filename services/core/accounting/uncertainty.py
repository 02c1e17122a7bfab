"""Uncertainty: a band on every total, from what its meters and factors are known to.

IPCC 2006 Guidelines, volume 1, chapter 3: a product has the relative uncertainty
sqrt(U1^2 + U2^2 + ...) (equation 3.1), a sum sqrt((U1 x1)^2 + (U2 x2)^2 + ...) / |x1 + x2 + ...|
(equation 3.2), both for independent parts. Percentages are half a 95 % interval.

Hours of one source are not independent: they share their meter and their factor, whose errors are
the same in every hour and do not average out. So a total is taken apart into *components*, one per
meter and one per factor; what shares a component adds up plainly, and only different components
combine by the root of the sum of squares.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One cause of error: whatever shares its `id` is wrong by the same percentage.

    Below zero where more of the cause makes less of the figure: a meter behind another one that is
    taken off in one source and counted in another is wrong in neither sum.
    """

    id: str
    percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A mass and all that makes it uncertain."""

    kg: float
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A total with its 95 % interval, `kg` +- `half_kg`; `percent` None for a total of zero."""

    kg: float
    half_kg: float
    percent: float | None

    @property
    def low_kg(self) -> float:
        """The lower end, not below zero: nothing emits less than nothing."""
        return max(self.kg - self.half_kg, min(self.kg, 0.0))

    @property
    def high_kg(self) -> float:
        """The upper end."""
        return self.kg + self.half_kg


def product_percent(*percents: float) -> float:
    """Relative uncertainty of a product of independent quantities (equation 3.1)."""
    return math.hypot(*percents)


def band(parts: Iterable[Part]) -> Band:
    """Return the band on the sum of parts.

    Each component's error is the plain sum over the parts that have it (the correlated case); the
    components are independent of each other (equation 3.2). A component with different percentages
    in different parts counts with each part's own.
    """
    total: list[float] = []
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for part in parts:
        total.append(part.kg)
        for component in part.components:
            shares[component.id].append(part.kg * component.percent / 100)
    kg = math.fsum(total)
    half = math.hypot(*(math.fsum(group) for group in shares.values()))
    return Band(kg=kg, half_kg=half, percent=None if kg == 0 else 100 * half / abs(kg))


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorUncertainty:
    """What the versions of one factor are known to.

    `versions`: first day, day after the last (None: open), percent (None: not stated).
    """

    id: str
    versions: tuple[tuple[date | None, date | None, float | None], ...]

    def component(self, first: date, last: date) -> Component | None:
        """Return the factor's share in what was emitted from `first` to `last`, both included.

        Where versions of different percentages hold in the span the largest counts, which is never
        too little. None where any of them states nothing.
        """
        stated = [
            percent
            for begins, ends, percent in self.versions
            if (begins is None or begins <= last) and (ends is None or ends > first)
        ]
        known = [percent for percent in stated if percent is not None]
        if not known or len(known) < len(stated):
            return None
        return Component(id=self.id, percent=max(known))
