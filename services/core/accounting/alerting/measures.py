"""What can be watched, and the windows it is watched over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Measure = Literal[
    "rate", "total", "value", "average", "coverage", "silence", "quarantine", "budget"
]

#: Minutes of the windows that move on with every minute.
ROLLING_WINDOWS = {"1h": 60, "24h": 1440, "7d": 10_080, "30d": 43_200, "365d": 525_600}

#: Windows that begin and end by the facility's calendar.
FIXED_WINDOWS = ("hour", "today", "month", "year")

_DURATION = re.compile(r"^(\d+)(m|h)$")


def window_minutes(window: str) -> int | None:
    """Minutes of a rolling window such as 15m or 1h, None if it is none."""
    if window in ROLLING_WINDOWS:
        return ROLLING_WINDOWS[window]
    match = _DURATION.match(window)
    return None if match is None else int(match[1]) * (60 if match[2] == "h" else 1)


def fixed_span(window: str, minute: int, zone: ZoneInfo) -> tuple[int, int]:
    """First minute of the fixed window that holds ``minute``, and the first after it.

    Minutes since the epoch. An hour is one of UTC; days, months and years begin at local midnight.
    """
    if window == "hour":
        first = minute - minute % 60
        return first, first + 60
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
    begins = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if window == "today":
        ends = begins + timedelta(days=1)
    elif window == "month":
        begins = begins.replace(day=1)
        ends = begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)
    else:
        begins = begins.replace(month=1, day=1)
        ends = begins.replace(year=begins.year + 1)
    return int(begins.timestamp()) // 60, int(ends.timestamp()) // 60
