"""Times as devices send them: RFC 3339 with an offset, epoch seconds, epoch milliseconds."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.core.timeline.instants import to_us

#: Numbers from here on are milliseconds: as seconds they would lie beyond the year 5138.
MILLISECONDS_FROM: Final = 1e11

#: Milliseconds from here on lie beyond the year 2286, and are rather something else.
_STRANGE_FROM: Final = 1e13

#: Numbers that are a date written without separators: digits, as people and as strptime write it.
_DATES: Final = (
    (8, "YYYYMMDD", "%Y%m%d"),
    (10, "YYYYMMDDhh", "%Y%m%d%H"),
    (12, "YYYYMMDDhhmm", "%Y%m%d%H%M"),
    (12, "YYMMDDhhmmss", "%y%m%d%H%M%S"),
    (14, "YYYYMMDDhhmmss", "%Y%m%d%H%M%S"),
    (17, "YYYYMMDDhhmmssSSS", "%Y%m%d%H%M%S%f"),
)
#: Years that such a date may name.
_YEARS: Final = range(2000, 2100)

#: Finer epochs: from, up to, the word for it. As such they lie between 2001 and 2286.
_FINER: Final = ((1e15, 1e16, "micro", "us"), (1e18, 1e19, "nano", "ns"))

_IN_MICROSECONDS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}

#: The last microsecond of the year 9999, the newest a datetime can hold.
NEWEST_US: Final = 253_402_300_799_999_999
#: The first microsecond of the year 1.
OLDEST_US: Final = -62_135_596_800_000_000


def parse_number(number: float) -> int:
    """Epoch seconds, or epoch milliseconds from 1e11 on, to microseconds, to the nearest.

    :raises ValueError: the number is no instant between the years 1 and 9999.
    """
    if abs(number) < MILLISECONDS_FROM:
        return _nearest(number * 1e6)
    if number >= _STRANGE_FROM:
        _refuse_other_forms(number)
    return _nearest(number * 1e3)


def parse_epoch(number: float, unit: str | None) -> int:
    """As :func:`parse_number`, of a number whose unit may be known: s, ms, us or ns.

    :raises ValueError: the number is no instant between the years 1 and 9999.
    """
    if unit is None:
        if not (1e9 <= number < 1e10 or 1e12 <= number < 1e13):
            _refuse_other_forms(number)
        return parse_number(number)
    if unit == "ms" and number >= _STRANGE_FROM:
        _refuse_other_forms(number)
    return _nearest(number * _IN_MICROSECONDS[unit])


def _refuse_other_forms(number: float) -> None:
    """Refuse what only looks like epoch seconds or milliseconds.

    :raises ValueError: it is a date, or an epoch in another unit.
    """
    if not 1e7 <= number < 1e19:
        return
    for least, below, name, unit in _FINER:
        if least <= number < below:
            raise ValueError(
                f"it looks like epoch {name}seconds; if it is, say unit: {unit} with timestamp in"
                " the facility file (format: json)"
            )
    digits = str(int(number))
    for length, form, pattern in _DATES:
        if len(digits) == length and _is_date(digits, pattern):
            raise ValueError(
                f"it looks like a date of the form {form}; if it is, say format: '{pattern}' and"
                " timezone with timestamp in the facility file (format: json)"
            )


def _is_date(digits: str, pattern: str) -> bool:
    try:
        return datetime.strptime(digits, pattern).year in _YEARS  # noqa: DTZ007 - only the year
    except ValueError:
        return False


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
