"""Meter registers: load profiles, and the energy or volume that has passed by any instant.

A register's reading is a function of seed and time alone. A day's amount follows from the
profile, the weekday, the season and the day's noise; within the day the load runs in straight
lines between nodes five minutes apart. So a restarted simulator goes on with the same register,
and a time published twice carries the same value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from sensors_sim.noise import Noise

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NODE_MS = 300_000
NODES = DAY_MS // NODE_MS
#: Registers start counting on 2020-01-01: no sample may be older.
EPOCH_DAY = 18_262
EPOCH_MS = EPOCH_DAY * DAY_MS


@dataclass(frozen=True, kw_only=True)
class LoadProfile:
    """How a load runs over the day, the week and the year."""

    #: Mean load in register units per hour (kW for a register in kWh, m3/h for one in m3).
    mean_per_hour: float
    #: Relative load of each hour of the local day.
    hours: tuple[float, ...]
    #: Relative load from Monday to Sunday.
    weekdays: tuple[float, ...]
    #: Relative swing over the year; positive peaks in mid-January.
    winter: float = 0.0
    #: Relative size of the noise of a node.
    roughness: float = 0.12
    utc_offset_h: int = 1

    def day_factor(self, day: int) -> float:
        """Return the relative load of a day, counted from 1970-01-01."""
        weekday = self.weekdays[(day + 3) % 7]
        return weekday * (1.0 + self.winter * math.cos(2.0 * math.pi * (day - 14) / 365.25))

    def hour_factor(self, node: int) -> float:
        """Return the relative load at a node of the UTC day, straight between full hours."""
        position = (node * NODE_MS / HOUR_MS + self.utc_offset_h) % 24
        hour = int(position)
        here, there = self.hours[hour], self.hours[(hour + 1) % 24]
        return here + (there - here) * (position - hour)


@dataclass(frozen=True, kw_only=True)
class _Day:
    """One day of a register in thousandths of its unit."""

    before: int
    total: int
    passed: tuple[float, ...]
    per_ms: tuple[float, ...]


class Register:
    """A counter in thousandths of its unit, and the load behind it."""

    def __init__(self, *, profile: LoadProfile, noise: Noise, start: float = 0.0) -> None:
        """Count from ``start`` (in the register's unit) at 2020-01-01."""
        self._profile = profile
        self._noise = noise
        self._midnights = [round(start * 1000)]
        self._day = lru_cache(maxsize=4)(self._draw_day)

    def reading(self, ts_ms: int) -> float:
        """Return what the meter shows, in its unit, to three decimals."""
        day_index, offset = divmod(ts_ms, DAY_MS)
        day = self._day(day_index)
        node, t = divmod(offset, NODE_MS)
        slope = (day.per_ms[node + 1] - day.per_ms[node]) / NODE_MS
        passed = day.passed[node] + (day.per_ms[node] + slope * t / 2.0) * t
        return (day.before + min(int(passed), day.total)) / 1000.0

    def load(self, ts_ms: int) -> float:
        """Return the load at an instant, in the register's unit per hour."""
        day_index, offset = divmod(ts_ms, DAY_MS)
        day = self._day(day_index)
        node, t = divmod(offset, NODE_MS)
        per_ms = day.per_ms[node] + (day.per_ms[node + 1] - day.per_ms[node]) * t / NODE_MS
        return per_ms * HOUR_MS / 1000.0

    def _total(self, day_index: int) -> int:
        swing = 1.0 + 0.08 * self._noise.at(-day_index)
        load = self._profile.mean_per_hour * self._profile.day_factor(day_index) * swing
        return round(load * 24_000)

    def _draw_day(self, day_index: int) -> _Day:
        number = day_index - EPOCH_DAY
        if number < 0:
            raise ValueError("a register has no reading before 2020-01-01: choose a later start")
        while len(self._midnights) <= number:
            previous = EPOCH_DAY + len(self._midnights) - 1
            self._midnights.append(self._midnights[-1] + self._total(previous))
        profile = self._profile
        nodes = [
            profile.hour_factor(i)
            * (1.0 + profile.roughness * self._noise.at(day_index * NODES + i))
            for i in range(NODES + 1)
        ]
        passed = [0.0]
        for here, there in pairwise(nodes):
            passed.append(passed[-1] + (here + there) / 2.0 * NODE_MS)
        total = self._total(day_index)
        scale = total / passed[-1]
        return _Day(
            before=self._midnights[number],
            total=total,
            passed=tuple(p * scale for p in passed),
            per_ms=tuple(n * scale for n in nodes),
        )
