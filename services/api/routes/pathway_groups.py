"""Paths of facilities added up: what their rows tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from services.api.languages.reader import translate
from services.api.routes.pathway_reading import ScopeReading
from services.core.accounting.pathway.paths import Path
from services.core.accounting.pathway.peak import LEAST_COVERAGE, Peak, peak
from services.core.accounting.pathway.progress import (
    Progress,
    is_known_enough,
    least_share,
    sum_of_known,
)
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
    return sum_of_known(
        None if part.path is None else half_of_years(part.actual, part.path) for part in parts
    )


def known_share(parts: Sequence[ScopeStanding], year: int) -> float | None:
    """Return the least share of a year that is known of any; None: of none, or it is stated."""
    return least_share(part.actual[year].known_share for part in parts if year in part.actual)


def reason(parts: Sequence[ScopeStanding], total: Progress | None) -> str | None:
    """Say why there is no path (``total`` is None), no gap or no trend; None: all are there."""
    if total is None:
        lacking = [part.reading for part in parts if part.path is None]
        names = ", ".join(f"{r.facility.slug} {r.stated.spec.base.year}" for r in lacking)
        return translate(
            f"nothing is known yet of the base year ({names}): it is told once the year is over and"
            " all its hours are closed; or state its tonnes in the file of the path"
        )
    why = []
    missing = sorted({year for part in parts for year in part.missing})
    if missing:
        years = ", ".join(map(str, missing))
        why.append(
            translate(f"no gap is told: nothing is known of {years}; state past years under actual")
        )
    elif total.gap_kg is None:
        little = ", ".join(
            f"{100 * (of_year.known_share or 0):.3g} % of {part.reading.facility.slug} {year}"
            for part in parts
            for year, of_year in part.actual.items()
            if not is_known_enough(of_year.known_share)
        )
        why.append(
            translate(
                f"no gap is told: only {little} is known; what is left, and for how many days,"
                " takes the rest for not emitted"
            )
        )
    if total.trend_kg_a_year is None:
        least = f"{100 * LEAST_COVERAGE:g}"
        why.append(
            translate(
                f"no trend is told: less than {least} % of the newest 365 days, or of the 365"
                " before, is known"
            )
        )
    return "; ".join(why) or None


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
        return sum_of_known(days.half_of_sum(day + shift) for days, shift in shifted)

    of_sum = peak(kg, known, half_kg)
    if of_sum is None:
        return None
    return DatedPeak(peak=of_sum, highest_on=date.fromordinal(first + of_sum.highest_day))
