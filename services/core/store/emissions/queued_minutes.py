"""Minutes of a source that wait in ``recompute``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.core.timeline.intervals import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedMinutes:
    """Minutes of a source that are to be computed, and why."""

    source_id: int
    interval: Interval
    reason: str
    #: since when the oldest of them has been waiting; None: since now
    since: datetime | None = None
