"""Whether a newer figure than a factor's is out, or due by its publisher's calendar.

Live totals, rows of emissions and explanations all ask here, and so say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorAge:
    """Of the version of a factor that holds until further notice: of which year, and what follows.

    `newest_year`: of the newest figure of that name that is known; `successor_expected`: the day by
    which one is due, None for figures without a calendar. `valid_from`: the first day that the
    version is for, None: always. `called`: what a sentence calls the factor.
    """

    data_year: int | None
    newest_year: int | None = None
    successor_expected: date | None = None
    valid_from: date | None = None
    called: str = "factor"

    def stale(self, on: date) -> str | None:
        """Say why a figure for the day `on` should be a newer one; None: nothing says so."""
        if self.data_year is None or on.year <= self.data_year:
            return None
        if self.newest_year is not None and self.newest_year > self.data_year:
            return f"{self.called} of {self.data_year}, {self.newest_year} is out"
        if self.successor_expected is not None and self.successor_expected < on:
            return (
                f"{self.called} of {self.data_year}; a newer one is expected since"
                f" {self.successor_expected:%B %Y}"
            )
        return None

    def counts_stale(self, day: date, *, known_on: date) -> str | None:
        """Say why activity of `day` should count by a newer figure, as known on `known_on`."""
        since = self.first_day
        return None if since is None or day < since else self.stale(known_on)

    @property
    def first_day(self) -> date | None:
        """The first day that counts by the version and that its figure does not describe."""
        if self.data_year is None:
            return None
        after = date(self.data_year + 1, 1, 1)
        return after if self.valid_from is None else max(after, self.valid_from)


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleFactor:
    """Why a source's activity should count by a newer figure, and from which day on."""

    why: str
    since: date


def stale_factor(ages: Iterable[FactorAge], on: date) -> StaleFactor | None:
    """Return what is stale among the factors of one source, as known on a day; None: nothing."""
    stated = [(why, age.first_day) for age in ages if (why := age.stale(on)) is not None]
    stale = [(why, since) for why, since in stated if since is not None]
    if not stale:
        return None
    return StaleFactor(
        why="; ".join(dict.fromkeys(why for why, _ in stale)), since=min(s for _, s in stale)
    )
