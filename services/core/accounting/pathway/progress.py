"""How actual emissions compare with a path: budgets, the gap, and when it is crossed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.core.accounting.pathway.peak import LEAST_COVERAGE


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Allowed and actual masses of one path, or of several added up, at an instant.

    kg; None is unknown.
    """

    #: the calendar year that runs
    year: int
    #: how much of it is over, 0 to 1
    elapsed: float
    #: the path's last year
    last_year: int
    #: of all years of the path
    budget_kg: float
    #: of each year from the running one, or the path's first, to the path's last; the running one
    #: is among them after that, too
    allowed_kg: Mapping[int, float]
    #: of the years before and the running one so far; whole years and a share of the running one
    allowed_to_date_kg: float
    #: of the running year, so far
    actual_year_kg: float | None
    #: of all years after the base year, so far
    actual_to_date_kg: float | None
    #: of it, after the path's last year
    actual_beyond_kg: float | None
    #: of the measured year of these, so far, of which least is known; None: none is measured
    known_share_to_date: float | None
    #: how fast now
    rate_kg_day: float | None
    #: of the newest 365 days, and of the 365 days before them
    newest_365d_kg: float | None
    before_365d_kg: float | None

    @classmethod
    def total(cls, parts: Sequence[Progress]) -> Progress:
        """Add up paths, at least one; a sum with an unknown part is unknown."""
        first = min(min(part.allowed_kg) for part in parts)
        last = max(max(part.allowed_kg) for part in parts)
        year = min(part.year for part in parts)
        return cls(
            year=year,
            elapsed=max(part.elapsed for part in parts if part.year == year),
            last_year=max(part.last_year for part in parts),
            budget_kg=math.fsum(part.budget_kg for part in parts),
            allowed_kg={
                y: math.fsum(part.allowed_in(y) for part in parts) for y in range(first, last + 1)
            },
            allowed_to_date_kg=math.fsum(part.allowed_to_date_kg for part in parts),
            actual_year_kg=sum_of_known(part.actual_year_kg for part in parts),
            actual_to_date_kg=sum_of_known(part.actual_to_date_kg for part in parts),
            actual_beyond_kg=sum_of_known(part.actual_beyond_kg for part in parts),
            known_share_to_date=least_share(part.known_share_to_date for part in parts),
            rate_kg_day=sum_of_known(part.rate_kg_day for part in parts),
            newest_365d_kg=sum_of_known(part.newest_365d_kg for part in parts),
            before_365d_kg=sum_of_known(part.before_365d_kg for part in parts),
        )

    def allowed_in(self, year: int) -> float:
        """Return what may be emitted in a year from the running one on; 0: none of the path yet."""
        return self.allowed_kg.get(min(year, max(self.allowed_kg)), 0.0)

    @property
    def year_left_kg(self) -> float | None:
        """What may still be emitted in the running year; below zero: too much was."""
        if self.actual_year_kg is None or self.year not in self.allowed_kg:
            return None
        return self.allowed_kg[self.year] - self.actual_year_kg

    @property
    def year_days_left(self) -> float | None:
        """Days for which that lasts at the present rate."""
        return _days(self.year_left_kg, self.rate_kg_day)

    @property
    def budget_left_kg(self) -> float | None:
        """What may still be emitted on the whole path; below zero: too much was.

        After the path's last year its allowance holds on, and what is emitted then takes nothing
        off the budget of the years before.
        """
        if self.actual_to_date_kg is None or self.actual_beyond_kg is None:
            return None
        return self.budget_kg - (self.actual_to_date_kg - self.actual_beyond_kg)

    @property
    def days_left(self) -> float | None:
        """Days for which that lasts at the present rate; None after the path's last year, too."""
        if self.year > self.last_year:
            return None
        return _days(self.budget_left_kg, self.rate_kg_day)

    @property
    def gap_kg(self) -> float | None:
        """How much more was emitted so far than allowed; below zero: less.

        What is not known would count as not emitted: too little known of any year, and there is
        none.
        """
        if self.actual_to_date_kg is None or not is_known_enough(self.known_share_to_date):
            return None
        return self.actual_to_date_kg - self.allowed_to_date_kg

    @property
    def trend_kg_a_year(self) -> float | None:
        """By how much the newest 365 days are above those before."""
        if self.newest_365d_kg is None or self.before_365d_kg is None:
            return None
        return self.newest_365d_kg - self.before_365d_kg

    @property
    def crosses_year(self) -> int | None:
        """The first year in which the present trend lies above the path; None: none of its years.

        The trend is a straight line: the newest 365 days stand for the time in their middle, and
        each year adds their difference from the 365 days before. It is not below zero.
        """
        if self.newest_365d_kg is None or self.trend_kg_a_year is None:
            return None
        middle = self.year + self.elapsed - 0.5
        for year in sorted(self.allowed_kg):
            ahead = year + 0.5 - middle
            expected = max(0.0, self.newest_365d_kg + self.trend_kg_a_year * ahead)
            if expected > self.allowed_kg[year]:
                return year
        return None


def sum_of_known(parts: Iterable[float | None]) -> float | None:
    """Add up; None: one of the parts is unknown."""
    values = list(parts)
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def least_share(shares: Iterable[float | None]) -> float | None:
    """Return the least of the shares that there are; None: there are none."""
    return min((share for share in shares if share is not None), default=None)


def is_known_enough(share: float | None) -> bool:
    """Return whether so much of a time is known that its mass is compared; None: it is stated."""
    return share is None or share >= LEAST_COVERAGE


def _days(left_kg: float | None, rate_kg_day: float | None) -> float | None:
    """Return how long a mass lasts; 0 where nothing is left, None where it lasts for ever."""
    if left_kg is None or rate_kg_day is None:
        return None
    if left_kg <= 0:
        return 0.0
    return left_kg / rate_kg_day if rate_kg_day > 0 else None
