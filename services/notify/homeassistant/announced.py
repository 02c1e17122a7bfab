"""A facility that Home Assistant is told of, and when its totals are to be published again."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often totals are published; all in seconds."""

    #: between two states of a facility, however often it changes
    least_pause_s: float = 10.0
    #: what did not change is told again: it expires
    longest_pause_s: float = 60.0

    @property
    def expire_after_s(self) -> int:
        """How long a figure stands without being told again: twice it may come late."""
        return math.ceil(3 * self.longest_pause_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Messages:
    """What is retained of a facility, as JSON."""

    discovery: bytes
    totals: bytes


@dataclass(kw_only=True, slots=True)
class Announced:
    """One facility, of which the file says that it is published."""

    slug: str
    name: str
    #: of the message by which it is discovered
    topic: str
    #: whether something may have changed since it was last read
    changed: bool = True
    #: when it was last read, on a monotonic clock
    read_s: float = -math.inf
    #: what the broker has accepted on this connection
    discovery: bytes | None = None

    def due_s(self, pace: Pace) -> float:
        """Return when it is to be published next, on a monotonic clock."""
        return self.read_s + (pace.least_pause_s if self.changed else pace.longest_pause_s)
