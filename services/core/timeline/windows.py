"""The windows that totals and thresholds cover: rolling ones, and those of the calendar."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from services.core.timeline.instants import DAY_MINUTES, MINUTE

#: Windows that move on with every minute.
Rolling = Literal["1h", "24h", "7d", "30d", "365d"]

#: Windows that began at local midnight of today, of the month's first day, of the year's.
ToDate = Literal["today", "month", "year"]

#: Every window of a live total, in the order in which they are shown.
Window = Literal[Rolling, ToDate]

#: Minutes of the windows that move on with every minute.
ROLLING_MINUTES: Final[dict[str, int]] = dict(
    zip(get_args(Rolling), (60, *(n * DAY_MINUTES for n in (1, 7, 30, 365))), strict=True)
)

TO_DATE: Final[tuple[str, ...]] = get_args(ToDate)
TOTALS: Final[tuple[str, ...]] = get_args(Window)

#: Windows of thresholds that begin and end by the facility's calendar.
FIXED: Final = ("hour", *TO_DATE)

# A day has 25 hours when clocks are put back.
_LONGEST_FIXED: Final = {
    "hour": 60,
    "today": 25 * 60,
    "month": 31 * DAY_MINUTES + 60,
    "year": 366 * DAY_MINUTES + 60,
}

_DURATION: Final = re.compile(r"^(\d+)(m|h)$")


def first_minutes(last_minute: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """Return the first minute of every total's window whose last minute this is.

    Aware, whole minutes. ``today``, ``month`` and ``year`` begin at local midnight, whatever its
    offset then was.
    """
    midnight = _midnight(last_minute.astimezone(zone))
    return {
        **{
            name: last_minute - timedelta(minutes=minutes) + MINUTE
            for name, minutes in ROLLING_MINUTES.items()
        },
        "today": midnight.astimezone(last_minute.tzinfo),
        "month": midnight.replace(day=1).astimezone(last_minute.tzinfo),
        "year": midnight.replace(month=1, day=1).astimezone(last_minute.tzinfo),
    }


def rolling_minutes(window: str) -> int | None:
    """Return the minutes of a rolling window such as 15m or 1h, None if it is not one."""
    if window in ROLLING_MINUTES:
        return ROLLING_MINUTES[window]
    match = _DURATION.match(window)
    return None if match is None else int(match[1]) * (60 if match[2] == "h" else 1)


def longest_minutes(window: str) -> int:
    """Return the minutes that a window of a threshold has at most."""
    rolling = rolling_minutes(window)
    return _LONGEST_FIXED[window] if rolling is None else rolling


def fixed_bounds(window: str, minute: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first minute of the fixed window that holds ``minute``, and the first after it.

    Minutes since the epoch. An hour is one of UTC; days, months and years begin at local midnight.
    """
    if window == "hour":
        first = minute - minute % 60
        return first, first + 60
    begins = _midnight(datetime.fromtimestamp(minute * 60, UTC).astimezone(zone))
    if window == "today":
        ends = begins + timedelta(days=1)
    elif window == "month":
        begins = begins.replace(day=1)
        ends = begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)
    else:
        begins = begins.replace(month=1, day=1)
        ends = begins.replace(year=begins.year + 1)
    return int(begins.timestamp()) // 60, int(ends.timestamp()) // 60


def standard_time(zone: ZoneInfo, year: int) -> timezone:
    """Return a zone's standard time of a year, without daylight saving time.

    It is the lesser of the offsets in January and July.
    """
    offsets = (datetime(year, month, 1, tzinfo=zone).utcoffset() for month in (1, 7))
    return timezone(min(offset for offset in offsets if offset is not None))


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
