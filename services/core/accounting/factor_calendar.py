"""Whether a newer figure than a factor's is out, or due by its publisher's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorAge:
    """Of the version of a factor that holds until further notice: of which year, and what follows.

    `newest_year`: of the newest figure of that name that is known; `successor_expected`: the day by
    which one is due, None for figures without a calendar.
    """

    data_year: int | None
    newest_year: int | None = None
    successor_expected: date | None = None

    def stale(self, on: date) -> str | None:
        """Say why a figure for the day `on` should be a newer one; None: nothing says so."""
        if self.data_year is None or on.year <= self.data_year:
            return None
        if self.newest_year is not None and self.newest_year > self.data_year:
            return f"factor of {self.data_year}, {self.newest_year} is out"
        if self.successor_expected is not None and self.successor_expected < on:
            return (
                f"factor of {self.data_year}; a newer one is expected since"
                f" {self.successor_expected:%B %Y}"
            )
        return None
