"""Local times of a long list in the hour that comes twice when clocks are put back.

As :mod:`..decode.put_back` for the few times of one message; here of files, piece by piece, and of
each channel by itself. Where the times go back, or repeat, the clock was put back between them; a
list that has the hour once is taken to have its first pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.core.timeline.instants import DAY, to_us


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
        day = local.date()
        if day not in self._offsets:
            self._offsets[day] = self._offset(day)
        offset = self._offsets[day]
        if offset is not None:
            us = to_us(local.replace(tzinfo=UTC) - offset)
            return Instants(us, us)
        first_us, second_us = (to_us(local.replace(tzinfo=self._zone, fold=f)) for f in (0, 1))
        if first_us > second_us:
            # clocks were put forward over it
            return None
        return Instants(first_us, second_us)

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
