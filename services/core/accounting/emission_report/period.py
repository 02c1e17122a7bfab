"""Periods of reports: calendar months, quarters and years, each cut in a facility's time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

PeriodKind = Literal["month", "quarter", "year"]

#: The years that reports are of; the database knows no others.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199

_MONTHS: Final[dict[PeriodKind, int]] = {"month": 1, "quarter": 3, "year": 12}
_WRITTEN: Final = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?:Q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?"
)


class NotBegunError(ValueError):
    """A period lies in the future everywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """A calendar month, quarter or year."""

    kind: PeriodKind
    year: int
    #: the first of its months, 1 to 12
    first_month: int

    def __str__(self) -> str:
        """Write it as it is asked for: 2026-10, 2026-Q3, 2026."""
        if self.kind == "year":
            return f"{self.year}"
        if self.kind == "quarter":
            return f"{self.year}-Q{self.first_month // 3 + 1}"
        return f"{self.year}-{self.first_month:02d}"

    @property
    def months(self) -> int:
        """Return how many months it has."""
        return _MONTHS[self.kind]

    @property
    def days(self) -> tuple[date, date]:
        """Return its first day and the one after its last."""
        after = self.first_month - 1 + self.months
        return (
            date(self.year, self.first_month, 1),
            date(self.year + after // 12, after % 12 + 1, 1),
        )

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return the instants between which it lies in ``zone``, in UTC; the end exclusive."""
        begins, ends = (datetime.combine(day, time(), zone) for day in self.days)
        return begins.astimezone(UTC), ends.astimezone(UTC)


def parse(text: str) -> Period:
    """Read a period: 2026-10, 2026-Q3 or 2026.

    :raises ValueError: the text is none; the message says what to write.
    """
    match = _WRITTEN.fullmatch(text.strip().upper())
    if match is None or not FIRST_YEAR <= int(match["year"]) <= LAST_YEAR:
        raise ValueError(
            f"`{text[:20]}` is no period; write a month as 2026-10, a quarter as 2026-Q3 or a year"
            " as 2026"
        )
    year = int(match["year"])
    if match["month"]:
        return Period(kind="month", year=year, first_month=int(match["month"]))
    if match["quarter"]:
        return Period(kind="quarter", year=year, first_month=3 * int(match["quarter"]) - 2)
    return Period(kind="year", year=year, first_month=1)
