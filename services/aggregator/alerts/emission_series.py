"""Rates and totals of sources, minute by minute, as thresholds ask for them.

A window's total in any minute is the total that stands in the database, moved on by what came and
what left since, or back: the cost depends on how far that is, never on how long the window is.
Shapes are (sources, minutes).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.alerts import watch_series
from services.core.store.alerts.watch_series import Sources, WindowTotal
from services.core.timeline.windows import ROLLING_MINUTES, fixed_bounds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_UG_PER_KG = 1e9
_KNOWN_MS = 1000

#: What may come to a window's total, which is 9e18 at most.
_MOST_EXACT_UG = 10**17

#: Most minutes that :meth:`EmissionSeries.totals` looks back.
MOST_BACK = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """A window in each minute; NaN where there is no total yet."""

    kg: Floats
    covered_ms: Floats
    #: length of the window so far, in minutes
    minutes: Integers


class EmissionSeries:
    """The sources from ``first`` to ``last``, both included."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        sources: Sources,
        *,
        unknown_after: Mapping[int, int | None],
        zone: ZoneInfo,
        first: int,
        last: int,
        windows: Collection[str],
    ) -> None:
        self._connection, self._sources, self._zone = connection, sources, zone
        self._first, self._last = first, last
        standing = [window for window in windows if window != "hour"]
        self._windows = watch_series.windows(connection, sources, standing) if standing else {}
        upto = {window.upto for window in self._windows.values()}
        #: minutes at hand, so that every window that stands can be moved to every minute
        self._low = min([first - MOST_BACK, *(each + 1 for each in upto)])
        self._high = max([last, *upto])
        ranges = {"": (self._low, self._high)}
        for name in self._windows:
            if (length := ROLLING_MINUTES.get(name)) is not None:
                ranges[name] = (self._low - length, self._high - length)
        self._read(ranges, unknown_after)

    def _read(
        self, ranges: Mapping[str, tuple[int, int]], unknown_after: Mapping[int, int | None]
    ) -> None:
        found = watch_series.minutes(self._connection, self._sources, list(ranges.values()))
        #: by range: micrograms and covered time summed up from its first minute on
        self._sums: dict[str, tuple[Floats | Integers, Integers]] = {}
        for name, (low, high) in ranges.items():
            mine = found[(found["minute"] >= low) & (found["minute"] <= high)]
            at = (self._sources.rows(mine["source"]), mine["minute"] - low + 1)
            shape = (len(self._sources), high - low + 2)
            ms = np.zeros(shape, dtype=np.int64)
            # exact but for masses that no plant has: sums of these are beyond 64 bits
            greatest = int(np.abs(mine["ug"]).max(initial=0)) * shape[1]
            ug: Floats | Integers = np.zeros(shape, dtype=np.int64)
            if greatest > _MOST_EXACT_UG:
                ug = np.zeros(shape, dtype=np.float64)
            ug[at], ms[at] = mine["ug"], mine["ms"]
            self._sums[name] = (ug.cumsum(axis=1), ms.cumsum(axis=1))
        known = found[
            (found["ms"] >= _KNOWN_MS)
            & (found["minute"] >= self._low)
            & (found["minute"] <= self._last)
        ]
        self.rate_kg_h = self._rates(known, unknown_after)

    def _rates(self, known: Any, unknown_after: Mapping[int, int | None]) -> Floats:
        """Kg per hour in the newest known minute of each minute; NaN: unknown for too long."""
        horizon = {s: unknown_after.get(s) for s in self._sources.ids}
        before = watch_series.known_before(
            self._connection,
            {s: self._low - 1 - h for s, h in horizon.items() if h is not None},
            self._low,
        )
        count = self._last - self._low + 1
        shape = (len(self._sources), count + 1)
        newest = np.full(shape, -(10**12), dtype=np.int64)
        rate = np.zeros(shape)
        for found, column in ((before, 0), (known, known["minute"] - self._low + 1)):
            at = (self._sources.rows(found["source"]), column)
            newest[at] = found["minute"]
            rate[at] = found["own_ug"] * 3_600_000.0 / found["ms"] / _UG_PER_KG
        # carried on: the column of the newest known minute so far
        columns = np.where(newest > -(10**12), np.arange(count + 1), 0)
        columns = np.maximum.accumulate(columns, axis=1)
        newest = np.take_along_axis(newest, columns, axis=1)[:, 1:]
        rate = np.take_along_axis(rate, columns, axis=1)[:, 1:]
        minutes = np.arange(self._low, self._last + 1)
        lasts = np.array([[h or 0] for h in horizon.values()], dtype=np.int64)
        rate[minutes - newest > lasts] = np.nan
        return rate[:, self._first - self._low :]

    def totals(self, window: str, *, back: int = 0) -> Totals:
        """The window's total in each minute, or in that ``back`` (up to MOST_BACK) before it."""
        minutes = np.arange(self._first, self._last + 1) - back
        length = ROLLING_MINUTES.get(window)
        standing = self._windows.get(window)
        if length is not None:
            return self._rolling(window, standing, minutes, length)
        spans = [fixed_bounds(window, int(minute), self._zone) for minute in minutes]
        begins = np.array([begin for begin, _ in spans])
        shape = (len(self._sources), minutes.size)
        kg, covered = np.full(shape, np.nan), np.full(shape, np.nan)
        for begin in np.unique(begins):
            of_window = begins == begin
            base_ug, base_ms, there, base_at = self._base(int(begin), standing)
            ug, ms = (
                base[:, None] + sums[:, minutes[of_window] - self._low + 1] - sums[:, [base_at]]
                for base, sums in zip((base_ug, base_ms), self._sums[""], strict=True)
            )
            kg[:, of_window] = np.where(there[:, None], ug / _UG_PER_KG, np.nan)
            covered[:, of_window] = np.where(there[:, None], ms, np.nan)
        return Totals(kg=kg, covered_ms=covered, minutes=minutes - begins + 1)

    def _base(
        self, begin: int, standing: WindowTotal | None
    ) -> tuple[Integers, Integers, NDArray[np.bool_], int]:
        """A total of the window that began then, and the column of sums that it goes up to."""
        everywhere = np.ones(len(self._sources), dtype=bool)
        if standing is not None and standing.since == begin:
            return (
                standing.ug,
                standing.covered_ms,
                standing.there,
                standing.upto - self._low + 1,
            )
        if begin >= self._low:
            nothing = np.zeros(len(self._sources), dtype=np.int64)
            return nothing, nothing, everywhere, begin - self._low
        ug, ms = watch_series.sums(self._connection, self._sources, begin, self._low)
        return ug, ms, everywhere, 0

    def _rolling(
        self, window: str, standing: WindowTotal | None, minutes: Integers, length: int
    ) -> Totals:
        shape = (len(self._sources), minutes.size)
        if standing is None:
            nothing = np.full(shape, np.nan)
            return Totals(kg=nothing, covered_ms=nothing, minutes=np.full(minutes.size, length))
        at, stands = minutes - self._low + 1, standing.upto - self._low + 1
        moved = []
        for base, came, left in zip(
            (standing.ug, standing.covered_ms), self._sums[""], self._sums[window], strict=True
        ):
            total = base[:, None] + came[:, at] - came[:, [stands]]
            moved.append(total - left[:, at] + left[:, [stands]])
        there = standing.there[:, None]
        return Totals(
            kg=np.where(there, moved[0] / _UG_PER_KG, np.nan),
            covered_ms=np.where(there, moved[1], np.nan),
            minutes=np.full(minutes.size, length),
        )
