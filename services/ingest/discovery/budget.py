"""How much discovery may listen to: so many messages a second in the mean, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """A bucket of tokens, one for each message; empty, it rests until it is half full again."""

    def __init__(
        self,
        per_s: float,
        *,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds``: how much of a quiet time is saved up for a busy one."""
        self._per_s = per_s
        self._size = per_s * seconds
        self._tokens = self._size
        self._monotonic = monotonic
        self._filled_at = monotonic()
        self._rests = False

    def spend(self, messages: int) -> None:
        """Take note of messages that came; a burst may go below nothing and is paid back."""
        self._fill()
        self._tokens -= messages
        self._rests = self._rests or self._tokens <= 0

    @property
    def rests(self) -> bool:
        """Whether nothing more may be listened to for a while."""
        self._fill()
        if self._rests and self._tokens >= self._size / 2:
            self._rests = False
        return self._rests

    def _fill(self) -> None:
        now = self._monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
