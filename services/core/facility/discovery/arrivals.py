"""How often something came; times in seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True, slots=True)
class Arrivals:
    """How many came, the first and the last of them."""

    count: int = 0
    first_s: float | None = None
    last_s: float | None = None

    @property
    def interval_s(self) -> float | None:
        """How far apart they came, in the mean; None: there are too few."""
        if self.count < 2 or self.first_s is None or self.last_s is None:
            return None
        return (self.last_s - self.first_s) / (self.count - 1)
