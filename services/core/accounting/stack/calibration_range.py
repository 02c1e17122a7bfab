"""The valid range of a calibration function, and when what lies beyond asks for a new one.

EN 14181 lets a calibration function hold from zero to 1.1 times the highest value of its test.
What is measured beyond is counted by week; a new test (QAL2) is due after more than 5 % in each of
more than five weeks, or more than 40 % in one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

#: Of a week's values, so many percent may lie beyond.
OFTEN_PERCENT: Final = 5
#: So many weeks may have more than that.
OFTEN_WEEKS: Final = 5
#: In no week may more percent than these lie beyond.
MUCH_PERCENT: Final = 40

_WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidRange:
    """A valid calibration range, in the channel's unit, from an instant on; None: since ever."""

    from_us: int | None
    #: None: none is stated
    bounds: tuple[float, float] | None

    def is_beyond(self, value: float) -> bool | None:
        """Tell whether a value lies beyond; None: no range is stated.

        Below a range that begins at zero is only noise about zero.
        """
        if self.bounds is None:
            return None
        least, greatest = self.bounds
        return value > greatest or (value < least and least != 0)


def in_force(ranges: Sequence[ValidRange], ts_us: int) -> ValidRange:
    """Return which of a channel's ranges holds at an instant; the first has none to begin at."""
    return ranges[bisect_right([valid.from_us or 0 for valid in ranges[1:]], ts_us)]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekOfValues:
    """An ISO week of the facility's days: its valid averages, and how many lay beyond the range."""

    monday: date
    values: int
    beyond: int

    @property
    def percent(self) -> float:
        """Percent of the values that lay beyond."""
        return 100 * self.beyond / self.values if self.values else 0.0

    def is_over(self, percent: int) -> bool:
        """Tell whether more than so many percent lay beyond."""
        return 100 * self.beyond > percent * self.values


@dataclass(frozen=True, kw_only=True, slots=True)
class RangeStanding:
    """What the weeks of a calibration function come to."""

    #: of the weeks that are over, those with more than 5 % beyond
    often: tuple[WeekOfValues, ...]
    #: those of them with more than 40 %
    much: tuple[WeekOfValues, ...]

    @property
    def is_due(self) -> bool:
        """Whether a new calibration (QAL2) is asked for."""
        return bool(self.much) or len(self.often) > OFTEN_WEEKS

    @property
    def reason(self) -> str:
        """Why a new calibration is asked for, or how far it is from that."""
        if self.much:
            worst = max(self.much, key=lambda week: week.percent)
            return (
                f"in the week of {worst.monday} {worst.beyond} of {worst.values} averages lay"
                f" beyond the valid calibration range, more than {MUCH_PERCENT} %"
            )
        return (
            f"in {len(self.often)} weeks more than {OFTEN_PERCENT} % of the averages lay beyond the"
            f" valid calibration range; a new calibration is due after more than {OFTEN_WEEKS}"
        )


def standing(weeks: Iterable[WeekOfValues], *, since: date, through: date) -> RangeStanding:
    """Evaluate the weeks of one function that are complete.

    ``since``: the first day that is wholly under it; ``through``: the last day that is over. A week
    that it does not cover, or that still runs, is no week yet.
    """
    complete = [
        week
        for week in weeks
        if week.monday >= since and week.monday + _WEEK <= through + timedelta(1)
    ]
    often = tuple(week for week in complete if week.is_over(OFTEN_PERCENT))
    return RangeStanding(
        often=often, much=tuple(week for week in often if week.is_over(MUCH_PERCENT))
    )
