"""Facilities take turns by what they cost: the one that has had the least is next.

Start-time fair queueing (Goyal, Vin, Cheng 1996): who comes with work begins at the present virtual
time, so that nobody saves up for later, and moves on by the seconds that each of its turns took.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


class FairTurns:
    """The order of those that wait; knows no clock."""

    def __init__(self) -> None:
        self._now = 0.0
        #: where each one's last turn ended, in virtual seconds
        self._ends: dict[int, float] = {}

    def order(self, waiting: Sequence[int]) -> list[int]:
        """Those that wait, the next one first; of equals the one that is named first."""
        return sorted(waiting, key=self._begin)

    def spent(self, one: int, seconds: float) -> None:
        """One had a turn that took so long."""
        begin = self._begin(one)
        self._now = begin
        self._ends[one] = begin + seconds

    def keep(self, known: Collection[int]) -> None:
        """Forget all others."""
        self._ends = {one: end for one, end in self._ends.items() if one in known}

    def _begin(self, one: int) -> float:
        return max(self._now, self._ends.get(one, 0.0))
