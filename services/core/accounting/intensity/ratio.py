"""Emissions by unit of production: one division of two exact sums, or the reason why there is none.

The sums are whole micrograms times exact shares, and whole billionths of the production's unit
times the exact ratio of units; they are rounded once, as a float, after the division. A mean of
shorter intervals' ratios is never formed: it would weigh an hour of little production as much as
one of much.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from services.core.accounting.uncertainty import Band, Component, Part, band
from services.core.accounting.units import UnitError, conversion, unit

Code = Literal[
    "no-production", "production-unknown", "negative-production", "emissions-unknown", "no-sources"
]

#: Why there is no figure, by code.
REASONS: Final[dict[str, str]] = {
    "no-production": "nothing was produced: emissions cannot be divided by it",
    "production-unknown": "nothing is known of a production channel in this time",
    "negative-production": "the channels count less than nothing: correct their readings",
    "emissions-unknown": "nothing is known of a source of the product in this time",
    "no-sources": "no source is the product's in this time, wholly or by a share",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedMass:
    """What of a source's emissions is a product's; None: nothing is known of it."""

    masses_ug: tuple[int, ...] | None
    share: Fraction
    #: what makes the source's mass uncertain; None: it does not state all of it
    components: tuple[Component, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """What a channel counts of a product; ``n`` None: nothing is known of it."""

    #: billionths of the channel's unit
    n: int | None
    #: of one of the channel's units, how many of the product's
    per_unit: Fraction
    #: the meter; empty: it does not state its uncertainty
    meters: tuple[Component, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Intensity:
    """Both sums and their ratio, where there is one."""

    #: micrograms; None: nothing is known of any source
    masses_ug: tuple[Fraction, ...] | None
    #: billionths of the product's unit; None: of a channel nothing is known
    amount_n: Fraction | None
    code: Code | None
    #: of the first mass, by unit of production; None: it is not told, or there is no ratio
    band_per_unit: Band | None

    def per_unit_kg(self, mass: int) -> float | None:
        """Return kg by unit of production: micrograms by billionths are kg by one."""
        if self.code is not None or self.masses_ug is None or not self.amount_n:
            return None
        return float(self.masses_ug[mass] / self.amount_n)


def unit_ratio(from_unit: str, to_unit: str) -> Fraction:
    """Return how many of a unit one of another is, exactly.

    :raises UnitError: they do not measure the same.
    """
    conversion(from_unit, to_unit)
    source, target = unit(from_unit), unit(to_unit)
    if source.offset or target.offset:
        raise UnitError(f"{from_unit} and {to_unit} are no units of an amount")
    return source.scale / target.scale


def intensity(masses: Sequence[SharedMass], amounts: Sequence[Amount]) -> Intensity:
    """Divide what is a product's by what was made of it."""
    known = [mass for mass in masses if mass.masses_ug is not None]
    summed = None
    if known:
        columns = zip(*(mass.masses_ug or () for mass in known), strict=True)
        shares = [mass.share for mass in known]
        summed = tuple(_product_sum(column, shares) for column in columns)
    amount = None
    counted = [part.n for part in amounts if part.n is not None]
    if len(counted) == len(amounts):
        amount = _product_sum(counted, [part.per_unit for part in amounts])
    code = _code(masses, amount)
    limits = None
    if code is None and amount:
        limits = _band(masses, amounts, amount)
    return Intensity(masses_ug=summed, amount_n=amount, code=code, band_per_unit=limits)


def _product_sum(numbers: Iterable[int], factors: Sequence[Fraction]) -> Fraction:
    """Add up products over their common denominator: many fractions take ten times as long."""
    denominator = math.lcm(*(factor.denominator for factor in factors))
    total = sum(
        number * factor.numerator * (denominator // factor.denominator)
        for number, factor in zip(numbers, factors, strict=True)
    )
    return Fraction(total, denominator)


def _code(masses: Sequence[SharedMass], amount: Fraction | None) -> Code | None:
    if not masses:
        return "no-sources"
    if amount is None:
        return "production-unknown"
    if amount < 0:
        return "negative-production"
    if amount == 0:
        return "no-production"
    if any(mass.masses_ug is None for mass in masses):
        return "emissions-unknown"
    return None


def _band(masses: Sequence[SharedMass], amounts: Sequence[Amount], amount: Fraction) -> Band | None:
    """Return the 95 % interval of the first mass by unit; None: a part of it is not stated.

    More production makes less of the ratio: its meters enter below zero, each by its part of the
    production, so that one meter that counts both is wrong in neither.
    """
    if any(mass.components is None for mass in masses) or not all(p.meters for p in amounts):
        return None
    made = float(amount)
    of_production = tuple(
        Component(id=meter.id, percent=-meter.percent * (part.n or 0) * float(part.per_unit) / made)
        for part in amounts
        for meter in part.meters
    )
    return band(
        Part(
            kg=(mass.masses_ug or (0,))[0] * float(mass.share) / made,
            components=(*(mass.components or ()), *of_production),
        )
        for mass in masses
    )
