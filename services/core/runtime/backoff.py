"""Waits between tries of something that is away, growing and with jitter."""

from __future__ import annotations

import random


class Backoff:
    """Delays 0.1 s, 0.2 s ... up to ``longest_s``, each cut at random to between half and all.

    The jitter keeps many processes from coming back at the same instant.
    """

    def __init__(self, *, shortest_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._tries = 0

    def next_s(self) -> float:
        """The next delay, in seconds."""
        delay_s = min(self._longest_s, self._shortest_s * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """Start over after a success."""
        self._tries = 0
