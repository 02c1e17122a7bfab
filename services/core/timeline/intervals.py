"""Intervals of whole minutes since the epoch, half-open: ``[start, end)``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.timeline.instants import DAY_MINUTES


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Interval:
    """The minutes from ``start`` to before ``end``; empty where ``end`` is not after ``start``."""

    start: int
    end: int

    @classmethod
    def through(cls, first: int, last: int) -> Interval:
        """Return the interval whose first and last minute these are, both included."""
        return cls(start=first, end=last + 1)

    @property
    def last(self) -> int:
        """The last minute of one that is not empty."""
        return self.end - 1

    @property
    def minutes(self) -> int:
        """How many minutes it has."""
        return max(0, self.end - self.start)

    @property
    def hours(self) -> range:
        """The hours since the epoch that it has a minute of."""
        return range(self.start // 60, -(-self.end // 60))

    def overlaps(self, other: Interval) -> bool:
        """Return whether some minute is in both."""
        return max(self.start, other.start) < min(self.end, other.end)

    def within(self, other: Interval) -> Interval:
        """Return the minutes that are in both."""
        return Interval(start=max(self.start, other.start), end=min(self.end, other.end))

    def without(self, other: Interval) -> list[Interval]:
        """Return what is left of it, in at most two pieces, without the minutes of another."""
        if not self.overlaps(other):
            return [self]
        pieces = (
            Interval(start=self.start, end=other.start),
            Interval(start=other.end, end=self.end),
        )
        return [piece for piece in pieces if piece.minutes]


def bounds(intervals: Iterable[Interval]) -> Interval:
    """Return the shortest interval that holds all of them, of which there is one at least."""
    joined = list(intervals)
    return Interval(
        start=min(interval.start for interval in joined),
        end=max(interval.end for interval in joined),
    )


def whole_days(start: int, end: int) -> int:
    """Return the midnight (UTC) nearest to a minute from which on days are whole up to ``end``.

    The first one that is not before ``start``; where none is before ``end``, that of the last day.
    """
    midnight = -(-start // DAY_MINUTES) * DAY_MINUTES
    return midnight if midnight < end else (end - 1) // DAY_MINUTES * DAY_MINUTES
