"""Waits between tries of something that is away, growing and with jitter."""

from __future__ import annotations

import random


def delay_s(failures: int, *, shortest_s: float, longest_s: float) -> float:
    """Return the wait after one more than ``failures`` failures: doubling, half at random."""
    whole_s = min(longest_s, shortest_s * 2.0 ** min(failures, 16))
    return whole_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Backoff:
    """Delays 0.1 s, 0.2 s ... up to ``longest_s``, each cut at random to between half and all.

    The jitter keeps many processes from coming back at the same instant.
    """

    def __init__(self, *, shortest_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._tries = 0

    def next_s(self) -> float:
        """Return the next delay, in seconds."""
        self._tries += 1
        return delay_s(self._tries - 1, shortest_s=self._shortest_s, longest_s=self._longest_s)

    def reset(self) -> None:
        """Start over after a success."""
        self._tries = 0
