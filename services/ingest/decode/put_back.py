"""Local times, and the hour that comes twice when clocks are put back.

One local time alone may mean two instants. Several in a row tell more: where they go back, or
repeat, the clock was put back between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from services.core.timeline.instants import DAY, MICROSECOND, from_us, to_us


@dataclass(frozen=True, slots=True)
class Instants:
    """What a local time may mean, in microseconds since the epoch: once, or twice."""

    first_us: int
    second_us: int

    @property
    def is_twice(self) -> bool:
        """Whether it lies in an hour that comes twice."""
        return self.first_us != self.second_us


class LocalTimes:
    """What local times of one zone mean."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        #: by day, of days on which it stays the same
        self._offsets: dict[date, timedelta | None] = {}

    def instants(self, local: datetime) -> Instants | None:
        """Return the instants that clocks show as ``local``; None: they never do."""
        offset_us = self.offset_us(local.date())
        if offset_us is not None:
            us = to_us(local.replace(tzinfo=UTC)) - offset_us
            return Instants(us, us)
        first_us, second_us = (to_us(local.replace(tzinfo=self._zone, fold=f)) for f in (0, 1))
        if first_us > second_us:
            # clocks were put forward over it
            return None
        return Instants(first_us, second_us)

    def shown_at(self, us: int) -> Instants:
        """Return the instants at which clocks show what they show at one."""
        local = from_us(us).astimezone(self._zone).replace(tzinfo=None, fold=0)
        return self.instants(local) or Instants(us, us)

    def offset_us(self, day: date) -> int | None:
        """Return the offset of a day, which it has all day long; None: it changes."""
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


@lru_cache(maxsize=64)
def local_times(zone: ZoneInfo) -> LocalTimes:
    """Return what local times of a zone mean."""
    return LocalTimes(zone)


class PutBack:
    """Tells the passes of an hour that comes twice apart, time by time in the order of a list.

    A list that has the hour once is taken to have its first pass, where it ascends.
    """

    def __init__(self, *, ascending: bool = True) -> None:
        self._before_us: int | None = None
        self._ascending = ascending
        #: in the hour that comes twice: the local time before, and whether it is the later pass
        self._passing: tuple[int, bool] | None = None

    def time_us(self, meant: Instants) -> int:
        """Return the instant of the next time of the list."""
        if not meant.is_twice:
            self.note(meant.first_us)
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

    def note(self, us: int) -> None:
        """Note a time that is told once."""
        self._passing = None
        if self._before_us is not None and us != self._before_us:
            self._ascending = us > self._before_us
        self._before_us = us


def in_order(times_us: Sequence[int], zone: ZoneInfo) -> list[int]:
    """Resolve the local times that a message lists, in its order, oldest or newest first.

    ``times_us``: each as it would be alone, and so it stays where the list has an hour that comes
    twice only once.
    """
    clocks = local_times(zone)
    meant = [clocks.shown_at(us) for us in times_us]
    if sum(both.is_twice for both in meant) < 2:
        return list(times_us)
    steps = [later.first_us - earlier.first_us for earlier, later in pairwise(meant)]
    descending = sum(step < 0 for step in steps) > sum(step > 0 for step in steps)
    put_back = PutBack(ascending=not descending)
    ordered_us = [put_back.time_us(both) for both in meant]
    passes = {us == both.second_us for us, both in zip(ordered_us, meant, strict=True)
              if both.is_twice}  # fmt: skip
    return ordered_us if len(passes) == 2 else list(times_us)
