"""For how long the rate of a source's newest known minute is that of now.

The rule of :mod:`services.core.accounting.present_rate`, by whole minutes, so that thresholds know
no more than live answers do: a gauge has held for its ``max_gap`` when its newest minute is over; a
register or a sum tells a mean when its next reading comes, and until that is overdue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.core.accounting.present_rate import SHORT
from services.core.timeline.instants import MINUTE

#: A minute is computed some seconds after it has begun.
_GAUGE_MINUTES: Final = 1
_SHORT_MINUTES: Final = SHORT // MINUTE


@dataclass(frozen=True, kw_only=True, slots=True)
class RateHold:
    """What a source's rate is computed from."""

    has_gauge: bool
    #: the longest one that its channels state; 0: none
    interval_minutes: int
    #: its registers
    counters: tuple[int, ...]

    @property
    def minutes(self) -> int:
        """Minutes after the newest known one, whatever its readings are."""
        if self.has_gauge:
            return _GAUGE_MINUTES
        return max(2 * self.interval_minutes, _SHORT_MINUTES)

    @property
    def counts_readings(self) -> bool:
        """Whether it may be more, as far as its registers' readings are apart."""
        return bool(self.counters) and not self.has_gauge


#: Of a source of which nothing is known.
NOTHING_HOLDS: Final = RateHold(has_gauge=True, interval_minutes=0, counters=())
