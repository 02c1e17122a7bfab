"""Rates and totals of sources, minute by minute, as thresholds ask for them.

A window's total in any minute is the stored total, moved by the minutes that entered and left it
since: the cost depends on how far it is moved, never on how long the window is.
Shapes are (sources, minutes).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.alerting.measures.emissions import COVERAGE_DELAY, Totals
from services.core.accounting.alerting.rate_hold import NOTHING_HOLDS, RateHold
from services.core.store.alerts import watch_series
from services.core.store.alerts.watch_series import Sources, WindowTotal
from services.core.timeline.instants import EPOCH, MINUTE
from services.core.timeline.windows import ROLLING_MINUTES, fixed_bounds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_UG_PER_KG = 1e9
_KNOWN_MS = 1000

#: Sums up to here can be added to a window's total, 9e18 at most, within 64 bits.
_MAX_EXACT_UG = 10**17


class EmissionSeries:
    """One mass of the sources from ``first`` to ``last``, both included."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        sources: Sources,
        *,
        mass: str,
        unknown_after: Mapping[int, int | None],
        rates_hold: Mapping[int, RateHold],
        zone: ZoneInfo,
        first: int,
        last: int,
        windows: Collection[str],
    ) -> None:
        self._connection, self._sources, self._zone = connection, sources, zone
        self._mass = mass
        self._rates_hold = rates_hold
        self._first, self._last = first, last
        #: by row: whether the source is retired
        self.retired = np.array([unknown_after.get(s) is None for s in sources.ids], dtype=bool)
        names = [window for window in windows if window != "hour"]
        stored = watch_series.windows(connection, sources, mass, names) if names else {}
        self._windows = {
            name: window for name, window in stored.items() if not self._is_far(name, window)
        }
        stored_to = {window.last_minute for window in self._windows.values()}
        #: minutes in memory, so that every stored window can be moved to every minute
        self._low = min([first - COVERAGE_DELAY, *(minute + 1 for minute in stored_to)])
        self._high = max([last, *stored_to])
        for name in stored.keys() - self._windows.keys():
            if name in ROLLING_MINUTES:
                self._windows[name] = self._summed(name, stored[name])
        ranges = {"": (self._low, self._high)}
        for name in self._windows:
            if (length := ROLLING_MINUTES.get(name)) is not None:
                ranges[name] = (self._low - length, self._high - length)
        self._read(ranges, unknown_after)
        #: where the rate of a source that is not retired is unknown
        self.rate_unknown = np.isnan(self.rate_kg_h) & ~self.retired[:, None]
        #: where it is so for longer than data may be late
        self.unknown = np.isnan(self.newest_rate_kg_h) & ~self.retired[:, None]

    def _is_far(self, name: str, window: WindowTotal) -> bool:
        """Return whether a window is added up anew at less cost than it is moved."""
        length = ROLLING_MINUTES.get(name)
        if length is None:
            # that of another period of the calendar is of no use
            return window.since > self._last
        return max(self._first - window.last_minute, window.last_minute - self._last) > length

    def _summed(self, name: str, stored: WindowTotal) -> WindowTotal:
        """Return a rolling window that ends before the first minute in memory."""
        since = self._low - ROLLING_MINUTES[name]
        ug, covered_ms, known_ms = watch_series.sums(
            self._connection, self._sources, self._mass, since, self._low
        )
        return WindowTotal(
            since=since,
            last_minute=self._low - 1,
            ug=ug,
            covered_ms=covered_ms,
            known_ms=known_ms,
            present=stored.present,
        )

    def _read(
        self, ranges: Mapping[str, tuple[int, int]], unknown_after: Mapping[int, int | None]
    ) -> None:
        rows = watch_series.minutes(
            self._connection, self._sources, self._mass, list(ranges.values())
        )
        #: by range, summed up from its first minute on: micrograms, covered and known time
        self._sums: dict[str, tuple[Floats | Integers, Integers, Integers]] = {}
        for name, (low, high) in ranges.items():
            of_range = rows[(rows["minute"] >= low) & (rows["minute"] <= high)]
            cell = (self._sources.rows(of_range["source"]), of_range["minute"] - low + 1)
            shape = (len(self._sources), high - low + 2)
            ms, known_ms = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
            # exact but for masses that no plant has: sums of these are beyond 64 bits
            greatest = int(np.abs(of_range["ug"]).max(initial=0)) * shape[1]
            ug: Floats | Integers = np.zeros(shape, dtype=np.int64)
            if greatest > _MAX_EXACT_UG:
                ug = np.zeros(shape, dtype=np.float64)
            ug[cell] = of_range["ug"]
            ms[cell], known_ms[cell] = of_range["ms"], of_range["known_ms"]
            self._sums[name] = (ug.cumsum(axis=1), ms.cumsum(axis=1), known_ms.cumsum(axis=1))
        known = rows[
            (rows["ms"] >= _KNOWN_MS)
            & (rows["minute"] >= self._low)
            & (rows["minute"] <= self._last)
        ]
        self._read_rates(known, unknown_after)

    def _read_rates(self, known: Any, unknown_after: Mapping[int, int | None]) -> None:
        """Carry kg per hour of the newest known minute forward, for as long as each holds."""
        horizon = {s: unknown_after.get(s) for s in self._sources.ids}
        before = watch_series.known_before(
            self._connection,
            self._mass,
            {s: self._low - 1 - h for s, h in horizon.items() if h is not None},
            self._low,
        )
        count = self._last - self._low + 1
        shape = (len(self._sources), count + 1)
        newest = np.full(shape, -(10**12), dtype=np.int64)
        rate = np.zeros(shape)
        for newest_rows, column in ((before, 0), (known, known["minute"] - self._low + 1)):
            cell = (self._sources.rows(newest_rows["source"]), column)
            newest[cell] = newest_rows["minute"]
            rate[cell] = newest_rows["own_ug"] * 3_600_000.0 / newest_rows["ms"] / _UG_PER_KG
        # carried forward: the column of the newest known minute so far
        columns = np.where(newest > -(10**12), np.arange(count + 1), 0)
        columns = np.maximum.accumulate(columns, axis=1)
        newest = np.take_along_axis(newest, columns, axis=1)[:, 1:]
        rate = np.take_along_axis(rate, columns, axis=1)[:, 1:]
        minutes = np.arange(self._low, self._last + 1)
        lasts = np.array([[h or 0] for h in horizon.values()], dtype=np.int64)
        shown = slice(self._first - self._low, None)
        newest, age = newest[:, shown], (minutes - newest)[:, shown]
        #: in the newest known minute; NaN: unknown for longer than data may be late
        self.newest_rate_kg_h = np.where(age > lasts, np.nan, rate[:, shown])
        #: which minute that is
        self.rate_minute = newest
        holds = np.minimum(lasts, self._holds(newest, age, lasts))
        #: of now; NaN: unknown
        self.rate_kg_h = np.where(age > holds, np.nan, self.newest_rate_kg_h)

    def _holds(self, newest: Integers, age: Integers, lasts: Integers) -> Integers:
        """Return for how many minutes after the newest known one its rate is that of now."""
        rules = [self._rates_hold.get(source, NOTHING_HOLDS) for source in self._sources.ids]
        holds = np.repeat(np.array([[rule.minutes] for rule in rules]), newest.shape[1], axis=1)
        # a register tells by its readings how often it speaks
        by_readings = np.array([bool(rule.counts_readings) for rule in rules])[:, None]
        asked = by_readings & (age > holds) & (age <= lasts)
        if not asked.any():
            return holds
        rows, columns = np.nonzero(asked)
        pairs, place = np.unique(
            np.column_stack((rows, newest[rows, columns])), axis=0, return_inverse=True
        )
        intervals = watch_series.reading_intervals(
            self._connection,
            [rules[row].counters for row in pairs[:, 0]],
            pairs[:, 1],
            lasts[pairs[:, 0], 0],
        )
        holds[rows, columns] = np.maximum(holds[rows, columns], 2 * intervals[place.reshape(-1)])
        return holds

    def minutes_left(self, window: str) -> Integers:
        """Return the whole minutes of a calendar's window after each minute."""
        minutes = range(self._first, self._last + 1)
        return np.array([fixed_bounds(window, m, self._zone)[1] - 1 - m for m in minutes])

    def local_years(self) -> Integers:
        """Return the calendar year of each minute."""
        minutes = range(self._first, self._last + 1)
        return np.array([(EPOCH + m * MINUTE).astimezone(self._zone).year for m in minutes])

    def totals(self, window: str, *, back: int = 0) -> Totals:
        """Return the window's total in each minute, or in that ``back`` before it.

        ``back``: COVERAGE_DELAY at most.
        """
        minutes = np.arange(self._first, self._last + 1) - back
        length = ROLLING_MINUTES.get(window)
        stored = self._windows.get(window)
        if length is not None:
            return self._rolling(window, stored, minutes, length)
        intervals = [fixed_bounds(window, int(minute), self._zone) for minute in minutes]
        begins = np.array([begin for begin, _ in intervals])
        shape = (len(self._sources), minutes.size)
        ug, ms, known_ms = (np.full(shape, np.nan) for _ in range(3))
        for begin in np.unique(begins):
            of_window = begins == begin
            bases, present, base_at = self._base(int(begin), stored)
            for total, base, sums in zip((ug, ms, known_ms), bases, self._sums[""], strict=True):
                moved = (
                    base[:, None] + sums[:, minutes[of_window] - self._low + 1] - sums[:, [base_at]]
                )
                total[:, of_window] = np.where(present[:, None], moved, np.nan)
        return _totals(ug, ms, known_ms, minutes - begins + 1)

    def _base(
        self, begin: int, stored: WindowTotal | None
    ) -> tuple[tuple[Integers, Integers, Integers], NDArray[np.bool_], int]:
        """Return a total of the window that began then, and the column of sums where it ends."""
        everywhere = np.ones(len(self._sources), dtype=bool)
        if stored is not None and stored.since == begin:
            return (
                (stored.ug, stored.covered_ms, stored.known_ms),
                stored.present,
                stored.last_minute - self._low + 1,
            )
        if begin >= self._low:
            nothing = np.zeros(len(self._sources), dtype=np.int64)
            return (nothing, nothing, nothing), everywhere, begin - self._low
        sums = watch_series.sums(self._connection, self._sources, self._mass, begin, self._low)
        return sums, everywhere, 0

    def _rolling(
        self, window: str, stored: WindowTotal | None, minutes: Integers, length: int
    ) -> Totals:
        shape = (len(self._sources), minutes.size)
        if stored is None:
            nothing = np.full(shape, np.nan)
            return _totals(nothing, nothing, nothing, np.full(minutes.size, length))
        end, stored_at = minutes - self._low + 1, stored.last_minute - self._low + 1
        moved = []
        for base, came, left in zip(
            (stored.ug, stored.covered_ms, stored.known_ms),
            self._sums[""],
            self._sums[window],
            strict=True,
        ):
            total = base[:, None] + came[:, end] - came[:, [stored_at]]
            total = total - left[:, end] + left[:, [stored_at]]
            moved.append(np.where(stored.present[:, None], total, np.nan))
        ug, ms, known_ms = moved
        return _totals(ug, ms, known_ms, np.full(minutes.size, length))


def _totals(ug: Floats, ms: Floats, known_ms: Floats, minutes: Integers) -> Totals:
    """Return the totals; what readings cover of hours that were left without a value is in none."""
    return Totals(
        kg=ug / _UG_PER_KG,
        covered_ms=np.minimum(ms, known_ms),
        known_ms=known_ms,
        minutes=minutes,
    )
