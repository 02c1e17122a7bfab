"""The spans of time that rolling and to-date totals cover."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ROLLING = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "365d": timedelta(days=365),
}

_MINUTE = timedelta(minutes=1)


def since(upto: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """First minute of every span whose last minute is ``upto`` (aware, whole minutes).

    ``today``, ``month`` and ``year`` begin at local midnight, whatever its offset then was.
    """
    local = upto.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return {
        **{name: upto - length + _MINUTE for name, length in ROLLING.items()},
        "today": midnight.astimezone(upto.tzinfo),
        "month": midnight.replace(day=1).astimezone(upto.tzinfo),
        "year": midnight.replace(month=1, day=1).astimezone(upto.tzinfo),
    }
