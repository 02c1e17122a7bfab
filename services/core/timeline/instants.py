"""Instants as aware datetimes, and as whole numbers since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: What PostgreSQL counts from in its binary format, 2000-01-01, in microseconds since the epoch.
POSTGRES_EPOCH_US: Final = 946_684_800_000_000

MICROSECOND: Final = timedelta(microseconds=1)
MILLISECOND: Final = timedelta(milliseconds=1)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

HOUR_MS: Final = 3_600_000

DAY_MINUTES: Final = 24 * 60
DAY_S: Final = 60 * DAY_MINUTES


def rfc3339(instant: datetime, *, timespec: str = "auto") -> str:
    """Write an aware datetime as RFC 3339 in UTC, with the ending Z; ``timespec``: how fine."""
    return instant.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def to_us(instant: datetime) -> int:
    """Return the microseconds since the epoch of an aware datetime, exact."""
    return (instant - EPOCH) // MICROSECOND


def from_us(us: int) -> datetime:
    """Return microseconds since the epoch (years 1 to 9999) as an aware datetime, exact."""
    return EPOCH + timedelta(microseconds=us)


def hour_at_or_before(instant: datetime) -> datetime:
    """Return the start of the UTC hour that an aware datetime lies in."""
    return instant - (instant - EPOCH) % HOUR


def hour_at_or_after(instant: datetime) -> datetime:
    """Return the first start of a UTC hour that is not before an aware datetime."""
    return instant + (EPOCH - instant) % HOUR


def to_minute(instant: datetime) -> int:
    """Return the minute since the epoch that holds an aware datetime."""
    return (instant - EPOCH) // MINUTE
