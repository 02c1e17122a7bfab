"""Years of a path with what was emitted in them, and how it stands now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.core.accounting.pathway.days import KnownMass
from services.core.accounting.pathway.paths import Path
from services.core.accounting.pathway.progress import Progress, least_share, sum_of_known

Origin = Literal["measured", "stated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ActualYear:
    """What was emitted in a year."""

    kg: float
    origin: Origin
    #: of what tonne knows; None: the figure is stated
    known_share: float | None
    #: None: it is not stated
    half_kg: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """Where in the calendar one is."""

    year: int
    #: how much of the year is over, 0 to 1
    elapsed: float


def actual_years(
    years: Sequence[int],
    measured: Mapping[int, KnownMass],
    stated_kg: Mapping[int, float],
    now: Moment,
) -> dict[int, ActualYear]:
    """Return what is known of years up to the running one; a stated figure of a past one counts."""
    actual = {}
    for year in years:
        known = measured.get(year)
        if year < now.year and year in stated_kg:
            actual[year] = ActualYear(
                kg=stated_kg[year], origin="stated", known_share=None, half_kg=0.0
            )
        elif year <= now.year and known is not None:
            actual[year] = ActualYear(
                kg=known.kg,
                origin="measured",
                known_share=known.known_share,
                half_kg=known.half_kg,
            )
    return actual


def missing_years(path: Path, actual: Mapping[int, ActualYear], now: Moment) -> list[int]:
    """Return the years of the path up to the running one of which nothing is known."""
    return [year for year in range(path.base_year + 1, now.year + 1) if year not in actual]


def progress(
    path: Path,
    actual: Mapping[int, ActualYear],
    now: Moment,
    *,
    rate_kg_day: float | None,
    newest_365d_kg: float | None,
    before_365d_kg: float | None,
) -> Progress:
    """Compare actual figures with a path; unknown where a year is missing."""
    years = range(path.base_year + 1, now.year + 1)
    running = path.allowed(now.year)
    # of a path that has not begun nothing counts
    of_year: float | None = 0.0
    if running is not None:
        of_year = actual[now.year].kg if now.year in actual else None
    to_date: float | None = None
    beyond: float | None = None
    if not missing_years(path, actual, now):
        to_date = math.fsum(actual[year].kg for year in years)
        beyond = math.fsum(actual[year].kg for year in years if year > path.last_year)
    return Progress(
        year=now.year,
        elapsed=now.elapsed,
        last_year=path.last_year,
        budget_kg=path.budget_kg,
        allowed_kg={
            year: allowed
            for year in range(now.year, max(now.year, path.last_year) + 1)
            if (allowed := path.allowed(year)) is not None
        },
        allowed_to_date_kg=math.fsum(path.allowed(year) or 0.0 for year in years[:-1])
        + (running or 0.0) * now.elapsed,
        actual_year_kg=of_year,
        actual_to_date_kg=to_date,
        actual_beyond_kg=beyond,
        known_share_to_date=least_share(
            actual[year].known_share for year in years if year in actual
        ),
        rate_kg_day=rate_kg_day,
        newest_365d_kg=newest_365d_kg,
        before_365d_kg=before_365d_kg,
    )


def half_of_years(actual: Mapping[int, ActualYear], path: Path) -> float | None:
    """Return half the 95 % interval of what was emitted on the path; None: it is not stated.

    Years share their meters and factors, which are wrong alike in all of them: halves add up.
    """
    return sum_of_known(
        of_year.half_kg for year, of_year in actual.items() if year > path.base_year
    )
