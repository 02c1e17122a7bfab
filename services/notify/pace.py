"""How fast messages go to one recipient: failures pause it, ever longer; then few go at once."""

from __future__ import annotations

from services.core.runtime.backoff import Backoff

#: The longest pause of a failing recipient; an hour without messages is noticed.
LONGEST_PAUSE_S = 900.0
_FIRST_PAUSE_S = 1.0


class Pace:
    """How many messages may be in flight to one recipient, and how long it is paused."""

    def __init__(self, max_at_once: int) -> None:
        self._limit = max_at_once
        self._backoff = Backoff(shortest_s=_FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
        self._until_s = 0.0
        self.width = max_at_once

    def paused_s(self, now_s: float) -> float:
        """Return how long the pause still lasts; ``now_s`` is of a monotonic clock."""
        return max(0.0, self._until_s - now_s)

    def record_success(self) -> None:
        """Allow twice as many messages in flight: the recipient accepted one."""
        self.width = min(self._limit, self.width * 2)
        self._backoff.reset()
        self._until_s = 0.0

    def failed(self, now_s: float, wait_s: float | None = None) -> float:
        """Pause after a failure; return for how long, at least ``wait_s``.

        Messages in flight together fail together: they count once.
        """
        if (paused_s := self.paused_s(now_s)) > 0:
            return paused_s
        self.width = 1
        pause_s = max(self._backoff.next_s(), wait_s or 0.0)
        self._until_s = now_s + pause_s
        return pause_s
