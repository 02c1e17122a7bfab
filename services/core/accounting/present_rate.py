"""What a source emits now: whether that is known, and of when the rate is that is told.

The newest minute of which something is known has a rate. A gauge holds for its ``max_gap``, and
after that nobody knows. A register or a sum tells a mean between two readings when the second one
comes; until the next one is overdue, that mean is the best there is, told with its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from services.core.timeline.instants import MINUTE

RateBasis = Literal["measured", "interval", "unknown"]

#: A mean over a longer time is no rate of now. Shorter ones are taken for it, and hold as long.
SHORT: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewestReadings:
    """The two newest readings of a channel that a source is computed from."""

    kind: str
    max_gap: timedelta
    newest: datetime
    #: None: there is one reading
    before: datetime | None

    @property
    def interval(self) -> timedelta:
        """How far the two are apart; none: 0."""
        return timedelta(0) if self.before is None else self.newest - self.before


@dataclass(frozen=True, kw_only=True, slots=True)
class PresentRate:
    """What the rate of the newest known minute is."""

    basis: RateBasis
    #: of a mean: the time that it is of
    begins: datetime | None = None
    ends: datetime | None = None


UNKNOWN: Final = PresentRate(basis="unknown")


def present_rate(
    now: datetime, newest_minute: datetime | None, channels: Sequence[NewestReadings]
) -> PresentRate:
    """Tell what the rate of ``newest_minute`` is at ``now``; None: no minute is known.

    Of channels only those count that made the minute: others were silent before.
    """
    if newest_minute is None:
        return UNKNOWN
    known_until = newest_minute + MINUTE
    holding = [
        c.newest + c.max_gap
        for c in channels
        if c.kind == "gauge" and c.newest + c.max_gap >= newest_minute
    ]
    summed = [
        c
        for c in channels
        if c.kind in {"counter", "interval"} and c.newest + c.interval >= newest_minute
    ]
    dues = []
    if holding:
        # a minute is computed some seconds after it has begun
        dues.append(max(min(holding), known_until + MINUTE))
    longest = max((c.interval for c in summed), default=timedelta(0))
    if summed or not holding:
        dues.append(known_until + max(2 * longest, SHORT))
    if now >= min(dues):
        return UNKNOWN
    if longest <= SHORT:
        return PresentRate(basis="measured")
    slowest = max(summed, key=lambda c: c.interval)
    ends = slowest.newest if slowest.kind == "counter" else known_until
    return PresentRate(basis="interval", begins=ends - longest, ends=ends)
