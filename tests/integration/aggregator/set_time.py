"""A time that tests set, for the aggregator's loop: it looks at no database's clock."""

from __future__ import annotations

from datetime import datetime

from services.core.runtime.clock import FixedClock
from services.core.runtime.steady_time import SteadyTime


class SetTime(SteadyTime):
    """Stands still until it is moved."""

    def __init__(self, instant: datetime) -> None:
        super().__init__(machine=FixedClock(instant))
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def observe(self, database: datetime, *, began_s: float) -> None:
        """What the database's clock says is none of the test's business."""
