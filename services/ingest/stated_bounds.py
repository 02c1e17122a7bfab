"""Which times are believed, as the settings state it."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.core.runtime.settings import Settings
from services.ingest.prepare import TimeBounds


class UnusableSettingError(ValueError):
    """A setting has the right form and still cannot be used."""


def bounds(settings: Settings) -> TimeBounds:
    """Return the bounds.

    :raises UnusableSettingError: the oldest time is none.
    """
    return TimeBounds(
        oldest=_oldest(settings.oldest_reading),
        future_tolerance=timedelta(seconds=settings.future_tolerance_s),
        alone_after=timedelta(days=settings.alone_after_days),
    )


def _oldest(text: str) -> datetime:
    try:
        oldest = datetime.fromisoformat(text)
    except ValueError:
        oldest = None
    if oldest is None or oldest.tzinfo is None:
        raise UnusableSettingError(
            f"TONNE_OLDEST_READING must be a time with an offset, such as 2000-01-01T00:00:00Z,"
            f" not {text!r}"
        )
    return oldest
