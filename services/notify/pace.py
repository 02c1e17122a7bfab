"""How fast one recipient is told: a failing one is left alone ever longer, then tried gently."""

from __future__ import annotations

from services.core.runtime.backoff import Backoff

#: The longest that a failing recipient is left alone: an hour of silence is noticed.
LONGEST_PAUSE_S = 900.0
_FIRST_PAUSE_S = 1.0


class Pace:
    """The width of the stream to one recipient, and whether it rests."""

    def __init__(self, most_at_once: int) -> None:
        self._most = most_at_once
        self._backoff = Backoff(shortest_s=_FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
        self._until_s = 0.0
        self.width = most_at_once

    def resting_s(self, now_s: float) -> float:
        """How long nothing may be sent yet; ``now_s`` is of a clock that only rises."""
        return max(0.0, self._until_s - now_s)

    def taken(self) -> None:
        """The recipient took a message: twice as many may be on their way, as it proves itself."""
        self.width = min(self._most, self.width * 2)
        self._backoff.reset()
        self._until_s = 0.0

    def failed(self, now_s: float, wait_s: float | None = None) -> float:
        """The recipient is away; return how long it is left alone, at least ``wait_s``.

        Messages that were on their way together fail together: they count once.
        """
        if (resting_s := self.resting_s(now_s)) > 0:
            return resting_s
        self.width = 1
        pause_s = max(self._backoff.next_s(), wait_s or 0.0)
        self._until_s = now_s + pause_s
        return pause_s
