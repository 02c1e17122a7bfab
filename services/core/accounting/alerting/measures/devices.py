"""Measures of devices: how long one has been silent, and what of it is refused."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from services.core.accounting.alerting.measures.measure import (
    SHORT,
    Count,
    Measure,
    Subject,
    WindowRule,
)
from services.core.accounting.alerting.measures.values import Floats, Integers
from services.core.timeline.windows import rolling_minutes

#: Devices are looked back for so long.
LONGEST_SILENCE_S: Final = 40 * 86_400


class ArrivalMeasure(Measure):
    """A measure whose values follow from when a device's newest reading was taken."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({"device"})
    facility_wide = False

    @abstractmethod
    def values(self, minutes: Integers, newest: Integers) -> Floats:
        """Return the value in each minute, given the minute of the newest reading by then."""


class Silence(ArrivalMeasure):
    """Seconds since the newest reading, in whole minutes, by the time of the readings."""

    name = "silence"
    unit = "s"
    unit_text = "seconds"
    count = Count(highest=LONGEST_SILENCE_S, text="seconds, up to those of 40 days")
    fixed_reach_minutes = LONGEST_SILENCE_S // 60

    def values(self, minutes: Integers, newest: Integers) -> Floats:
        """Return the seconds since the newest reading."""
        seconds: Floats = np.maximum(minutes - newest, 0) * 60.0
        return seconds


class RefusalMeasure(Measure):
    """A measure whose values follow from what lies in quarantine, by minute of arrival."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({"device"})
    windows: ClassVar[WindowRule | None] = SHORT

    def window_minutes(self, window: str | None) -> int:
        """Return the length of the window that each minute ends."""
        return rolling_minutes(window or "") or 60

    @abstractmethod
    def values(self, sums: Integers, ends: Integers, length: int) -> Floats:
        """Return the value in each minute.

        ``sums``: entries summed up to each minute; ``ends``: where in it the minutes are that are
        asked for, at least ``length``, the minutes of the window, from its beginning.
        """


class Quarantine(RefusalMeasure):
    """Messages that came in the window and are in quarantine now."""

    name = "quarantine"
    unit = "messages"
    unit_text = "messages"
    count = Count(highest=1e9, text="messages")

    def values(self, sums: Integers, ends: Integers, length: int) -> Floats:
        """Return the messages of each window."""
        return (sums[ends] - sums[ends - length]).astype(np.float64)


MEASURES: Final = (Silence(), Quarantine())
