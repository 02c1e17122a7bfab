"""How long old filters stand beside the new ones that take their place: until they are drained.

NATS forgets what it holds for a subscription that ends, and no message says by which subscription
it came. But a subscription that is not held up by anything hands out what it holds within
milliseconds, and again what was lost with a connection within ``ack_wait``. So the old filters are
left after a span, longer than that, in which one connection was alive and its reader kept up.
"""

from __future__ import annotations

from typing import Final

#: Twice what NATS waits for an acknowledgement by default.
OVERLAP_S: Final = 60.0


class Overlap:
    """Watches one connection; times are seconds of a monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: how long a sign may be old: shorter than the stretches that matter
        self._patience_s = min(2.0, seconds / 4)
        #: how often to look, at least
        self.look_every_s = self._patience_s / 4
        self._steady_since: float | None = None
        self._caught_up_at = self._alive_at = 0.0
        self._asked_at = 0.0

    def restart(self) -> None:
        """Begin anew: another connection, or another set of filters."""
        self._steady_since = None
        self._caught_up_at = self._alive_at = self._asked_at = 0.0

    def caught_up(self, now: float) -> None:
        """Everything that had arrived was read, and little of it is unacknowledged."""
        self._caught_up_at = now

    def alive(self, now: float) -> None:
        """Note that the broker has answered."""
        self._alive_at = now

    def asks(self, now: float) -> bool:
        """Whether the broker should be asked for a sign of life; asking is on the caller."""
        due = now - self._asked_at >= self._patience_s / 2
        if due:
            self._asked_at = now
        return due

    def over(self, now: float) -> bool:
        """Whether the span has passed."""
        if now - min(self._caught_up_at, self._alive_at) > self._patience_s:
            self._steady_since = None
        elif self._steady_since is None:
            self._steady_since = now
        return self._steady_since is not None and now - self._steady_since >= self._seconds
