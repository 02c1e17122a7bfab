"""Paths of facilities added up: what their rows tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from services.api.routes.pathway_reading import ScopeReading
from services.core.accounting.pathway.paths import Path
from services.core.accounting.pathway.peak import Peak, peak
from services.core.accounting.pathway.progress import Progress
from services.core.accounting.pathway.standing import (
    ActualYear,
    actual_years,
    half_of_years,
    missing_years,
    progress,
)
from services.core.facility.pathway import T_KG


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScopeStanding:
    """One path with what is known of its years."""

    reading: ScopeReading
    #: None: nothing is known of the base year
    path: Path | None
    actual: dict[int, ActualYear]
    progress: Progress | None

    @property
    def missing(self) -> list[int]:
        """Years of which nothing is known."""
        return [] if self.path is None else missing_years(self.path, self.actual, self.reading.now)


def standing(reading: ScopeReading) -> ScopeStanding:
    """Compare what was read of a scope with its path."""
    spec, now = reading.stated.spec, reading.now
    years = range(spec.base.year + 1, now.year + 1)
    days = reading.days
    measured = {}
    if days is not None:
        measured = {y: known for y in years if (known := days.of_year(y)) is not None}
    actual = actual_years(years, measured, {a.year: a.tonnes * T_KG for a in spec.actual}, now)
    path = reading.stated.path
    newest, before = (None, None) if days is None else days.newest_sums()
    return ScopeStanding(
        reading=reading,
        path=path,
        actual=actual,
        progress=None
        if path is None
        else progress(
            path,
            actual,
            now,
            rate_kg_day=reading.rate_kg_day,
            newest_365d_kg=newest,
            before_365d_kg=before,
        ),
    )


def total(parts: Sequence[ScopeStanding]) -> Progress | None:
    """Add up paths; None: one of them has no base year yet."""
    known = [part.progress for part in parts if part.progress is not None]
    return Progress.total(known) if len(known) == len(parts) else None


def gap_half_kg(parts: Sequence[ScopeStanding]) -> float | None:
    """Return half the 95 % interval of the gap; facilities may share factors: halves add up."""
    return _sum(
        None if part.path is None else half_of_years(part.actual, part.path) for part in parts
    )


def known_share(parts: Sequence[ScopeStanding], year: int) -> float | None:
    """Return the least share of a year that is known of any; None: of none, or it is stated."""
    shares = [part.actual[year].known_share for part in parts if year in part.actual]
    return min((share for share in shares if share is not None), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedPeak:
    """A peak, and the last day of the highest sum."""

    peak: Peak
    highest_on: date


def peak_of(parts: Sequence[ScopeStanding]) -> DatedPeak | None:
    """Find the peak of the sum of facilities, over the days that all of them have."""
    series = [part.reading.days for part in parts if part.reading.days is not None]
    if len(series) < len(parts):
        return None
    begins = [days.first.toordinal() for days in series]
    first = max(begins)
    last = min(begin + d.whole_days for begin, d in zip(begins, series, strict=True))
    if last <= first:
        return None
    shifts = [first - begin for begin in begins]

    shifted = list(zip(series, shifts, strict=True))
    length = last - first
    kg = np.sum([days.rolling_kg[shift : shift + length] for days, shift in shifted], axis=0)
    known = np.min([days.rolling_known[shift : shift + length] for days, shift in shifted], axis=0)

    def half_kg(day: int) -> float | None:
        return _sum(days.half_of_sum(day + shift) for days, shift in shifted)

    of_sum = peak(kg, known, half_kg)
    if of_sum is None:
        return None
    return DatedPeak(peak=of_sum, highest_on=date.fromordinal(first + of_sum.highest_day))


def _sum(parts: Iterable[float | None]) -> float | None:
    values = list(parts)
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None
