"""Local times of a long list in the hour that comes twice when clocks are put back.

As :mod:`..decode.put_back` for the few times of one message; here of files, piece by piece, and of
each channel by itself. Where the times go back, or repeat, the clock was put back between them; a
list that has the hour once is taken to have its first pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from services.core.timeline.instants import DAY, DAY_US, MICROSECOND, to_us
from services.ingest.files.rows import NO_TIME, Bools, Integers

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - as clocks show it
_EPOCH_DAY: Final = _EPOCH.date()


@dataclass(frozen=True, slots=True)
class Instants:
    """What a local time may mean, in microseconds since the epoch: once, or twice."""

    first_us: int
    second_us: int


class LocalTimes:
    """What local times of one zone mean."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        #: by day, of days on which it stays the same
        self._offsets: dict[date, timedelta | None] = {}

    def instants(self, local: datetime) -> Instants | None:
        """Return the instants that clocks show as ``local``; None: they never do."""
        offset_us = self._offset_us(local.date())
        if offset_us is not None:
            us = to_us(local.replace(tzinfo=UTC)) - offset_us
            return Instants(us, us)
        first_us, second_us = (to_us(local.replace(tzinfo=self._zone, fold=f)) for f in (0, 1))
        if first_us > second_us:
            # clocks were put forward over it
            return None
        return Instants(first_us, second_us)

    def instants_us(self, local_us: Integers) -> tuple[Integers, Integers]:
        """Return both instants of many local times; ``NO_TIME`` where clocks never show one.

        ``local_us``: microseconds from 1970-01-01T00:00 by the clocks.
        """
        days = local_us // DAY_US
        distinct, number = np.unique(days, return_inverse=True)
        offsets = [self._offset_us(_EPOCH_DAY + timedelta(days=day)) for day in distinct.tolist()]
        first_us = local_us - np.array([offset or 0 for offset in offsets], dtype=np.int64)[number]
        second_us = first_us.copy()
        changing = np.array([offset is None for offset in offsets], dtype=np.bool_)[number]
        for i in np.flatnonzero(changing).tolist():
            meant = self.instants(_EPOCH + timedelta(microseconds=int(local_us[i])))
            first_us[i], second_us[i] = (
                (NO_TIME, NO_TIME) if meant is None else (meant.first_us, meant.second_us)
            )
        return first_us, second_us

    def _offset_us(self, day: date) -> int | None:
        if day not in self._offsets:
            self._offsets[day] = self._offset(day)
        offset = self._offsets[day]
        return None if offset is None else offset // MICROSECOND

    def _offset(self, day: date) -> timedelta | None:
        midnights = [datetime.combine(day, time()), datetime.combine(day, time()) + DAY]
        offsets = {
            midnight.replace(tzinfo=self._zone, fold=fold).utcoffset()
            for midnight in midnights
            for fold in (0, 1)
        }
        return offsets.pop() if len(offsets) == 1 else None


class PutBack:
    """Tells the passes of the hour of one channel apart, time by time in the file's order."""

    def __init__(self) -> None:
        self._before_us: int | None = None
        self._ascending = True
        #: in the hour that comes twice: the local time before, and whether it is the later pass
        self._passing: tuple[int, bool] | None = None

    def times_us(self, first_us: Integers, second_us: Integers) -> Integers:
        """Return the instants of the next times of the list; see :meth:`time_us`.

        ``NO_TIME`` in both stands for what is no time, and says nothing of the order.
        """
        if not len(first_us):
            return first_us
        twice: Bools = first_us != second_us
        if not twice.any():
            self._note_all(first_us[first_us != NO_TIME])
            return first_us
        return np.array(
            [
                NO_TIME if first == NO_TIME else self.time_us(Instants(first, second))
                for first, second in zip(first_us.tolist(), second_us.tolist(), strict=True)
            ],
            dtype=np.int64,
        )

    def _note_all(self, times_us: Integers) -> None:
        """Note times that are told once each."""
        if not times_us.size:
            return
        self._passing = None
        other = np.flatnonzero(times_us != times_us[-1])
        if other.size:
            self._before_us = int(times_us[other[-1]])
        self._note(int(times_us[-1]))

    def time_us(self, meant: Instants) -> int:
        """Return the instant of the next time of the list."""
        if meant.first_us == meant.second_us:
            self._note(meant.first_us)
            self._passing = None
            return meant.first_us
        # both passes show the same local times: the first pass stands for them
        local_us = meant.first_us
        later = not self._ascending
        if self._passing is not None:
            before_us, later = self._passing
            turned = local_us <= before_us if self._ascending else local_us >= before_us
            later = later != turned
        self._passing = (local_us, later)
        told_us = meant.second_us if later else meant.first_us
        self._before_us = told_us
        return told_us

    def _note(self, us: int) -> None:
        if self._before_us is not None and us != self._before_us:
            self._ascending = us > self._before_us
        self._before_us = us
