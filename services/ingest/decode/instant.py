"""Times as devices send them: RFC 3339 with an offset, epoch seconds, epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

#: Numbers from here on are milliseconds: as seconds they would lie beyond the year 5138.
MILLISECONDS_FROM: Final = 1e11

#: The last microsecond of the year 9999, the newest a datetime can hold.
NEWEST_US: Final = 253_402_300_799_999_999
#: The first microsecond of the year 1.
OLDEST_US: Final = -62_135_596_800_000_000


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (instant - _EPOCH) // _MICROSECOND


def from_us(ts_us: int) -> datetime:
    """The aware datetime of microseconds between OLDEST_US and NEWEST_US."""
    return _EPOCH + timedelta(microseconds=ts_us)


def parse_number(number: float) -> int:
    """Epoch seconds, or epoch milliseconds from 1e11 on, to microseconds, to the nearest.

    :raises ValueError: the number is no instant between the years 1 and 9999.
    """
    return _nearest(number * (1e3 if abs(number) >= MILLISECONDS_FROM else 1e6))


def parse_epoch(number: float, unit: str | None) -> int:
    """As :func:`parse_number`, of a number that may be known to be seconds or milliseconds.

    :raises ValueError: the number is no instant between the years 1 and 9999.
    """
    if unit is None:
        return parse_number(number)
    return _nearest(number * (1e3 if unit == "ms" else 1e6))


def _nearest(microseconds: float) -> int:
    # no comparison with NaN holds
    if not OLDEST_US <= microseconds <= NEWEST_US:
        raise ValueError("it lies beyond the years 1 to 9999")
    return round(microseconds)


def parse_date_time(text: str) -> datetime:
    """RFC 3339 to a datetime, naive if the text has no offset.

    :raises ValueError: the text is not of that form.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it is not of the form 2026-11-23T18:00:00Z") from None


def parse_text(text: str) -> int:
    """RFC 3339 with an offset to microseconds since the epoch.

    :raises ValueError: the text is not of that form, or has no offset.
    """
    instant = parse_date_time(text)
    if instant.tzinfo is None:
        raise ValueError("has no offset (such as Z or +01:00)")
    return to_us(instant)
