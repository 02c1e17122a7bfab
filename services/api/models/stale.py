"""How much of a span of time counted by a factor that a newer figure is out or due for."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from services.core.accounting.factor_calendar import StaleFactor


def stale_instant(stale: StaleFactor, zone: ZoneInfo) -> datetime:
    """Return the facility's midnight from which on the newer figure should count."""
    return datetime.combine(stale.since, time(), zone)


def share_stale(since: datetime, begins: datetime, ends: datetime) -> float:
    """Return the share of ``begins .. ends`` that lies at or after ``since``; 0 of no time."""
    if ends <= begins or ends <= since:
        return 0.0
    return 1.0 if since <= begins else (ends - since) / (ends - begins)
