"""What all measures have in common."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.windows import FIXED, ROLLING_MINUTES, longest_minutes, rolling_minutes

#: Keys of a threshold that say what is watched; without any of them it is the whole facility.
Subject = Literal["source", "scope", "channel", "device"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRule:
    """The windows that a measure takes."""

    accepts: Callable[[str], bool]
    #: the same for people
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What is counted from 0 on."""

    highest: float
    #: what is counted, for people
    text: str


TOTALS = WindowRule(
    accepts=lambda window: window in ROLLING_MINUTES or window in FIXED,
    text=f"one of {', '.join((*ROLLING_MINUTES, *FIXED))}",
)
SHORT = WindowRule(
    accepts=lambda window: 1 <= (rolling_minutes(window) or 0) <= DAY_MINUTES,
    text="whole minutes or hours up to 24h, such as 15m",
)
BUDGETED = WindowRule(accepts=lambda window: window in {"month", "year"}, text="month or year")
YEARLY = WindowRule(accepts=lambda window: window == "year", text="year")


class Measure(ABC):
    """A kind of value that a threshold compares with its limit."""

    #: as facility files and the API name it
    name: ClassVar[str]
    #: of the value and its limit, for people and programs; None: that of the channel
    unit: ClassVar[str | None]
    #: of limits, in the documentation of the facility file
    unit_text: ClassVar[str]
    #: None: it is of one minute
    windows: ClassVar[WindowRule | None] = None
    #: what it may watch
    subjects: ClassVar[frozenset[Subject]]
    #: whether it may watch the whole facility
    facility_wide: ClassVar[bool] = True
    #: what is known of a value is no more than the value: true of sums of what is emitted
    is_additive: ClassVar[bool] = False
    #: grows towards the end of its window, so that its value there can be expected
    is_cumulative: ClassVar[bool] = False
    #: is of one of the masses, whose ``figure`` a threshold may name
    has_figure: ClassVar[bool] = False
    #: is of one pollutant of its source, which a threshold names
    has_pollutant: ClassVar[bool] = False
    #: is of one product, which a threshold names
    has_product: ClassVar[bool] = False
    #: is compared with a ``budget`` of kg
    has_budget: ClassVar[bool] = False
    #: is compared with what the path of the scope to net zero allows, and is of the path's figure
    follows_path: ClassVar[bool] = False

    #: a share: limits are such as 0.8 for 80 %
    is_share: ClassVar[bool] = False
    #: a count: limits outside of it are never passed
    count: ClassVar[Count | None] = None
    #: for how many minutes after a changed one its value may have changed too; None: that follows
    #: from its window
    fixed_reach_minutes: ClassVar[int | None] = None

    def limit_error(self, limit: float) -> str | None:
        """Return why a limit makes no sense; None: it does."""
        if self.is_share and not 0 <= limit <= 10:
            return "a share is a number such as 0.8 for 80 %"
        return None

    def reachability_error(self, limit: float) -> str | None:
        """Return why no value can pass a limit; None: one can."""
        if self.count is None or 0 <= limit <= self.count.highest:
            return None
        return f"a limit of {limit:g} is never passed: {self.name} counts {self.count.text}"

    def reach_minutes(self, window: str | None, unknown_after: int) -> int:
        """Return for how many minutes after a changed one its value may have changed too.

        ``unknown_after``: minutes after which the slowest source is unknown.
        """
        if self.fixed_reach_minutes is not None:
            return self.fixed_reach_minutes
        return unknown_after + DAY_MINUTES + (1 if window is None else longest_minutes(window))
