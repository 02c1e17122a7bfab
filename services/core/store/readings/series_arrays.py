"""Readings of many channels as arrays: what is asked for, and what there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.intervals import Interval

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesRequest:
    """Minutes of one channel, and how many readings around them matter.

    With ``after`` > 0 only usable readings count as neighbours (a register's), else any (a
    gauge's: a gap ends what holds).
    """

    channel_id: int
    interval: Interval
    before: int = 0
    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesRequests:
    """Many requests, column by column; see :class:`SeriesRequest`. Both minutes are included."""

    channels: Integers
    firsts: Integers
    lasts: Integers
    before: Integers
    after: Integers

    def __len__(self) -> int:
        return self.channels.size

    def where(self, chosen: NDArray[np.bool_]) -> SeriesRequests:
        """Return those chosen."""
        return SeriesRequests(
            channels=self.channels[chosen],
            firsts=self.firsts[chosen],
            lasts=self.lasts[chosen],
            before=self.before[chosen],
            after=self.after[chosen],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """Readings of one request, ascending; NaN where a reading says that nothing is known."""

    ts_us: Integers
    value: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Readings of several requests one after the other, each ascending.

    Those of request i lie from ``bounds[i]`` to before ``bounds[i + 1]``.
    """

    ts_us: Integers
    value: Floats
    bounds: Integers
    #: which are uncertain; None: none is
    uncertain: Bools | None = None

    def __getitem__(self, i: int) -> Readings:
        """Return those of one request."""
        rows = slice(self.bounds[i], self.bounds[i + 1])
        return Readings(ts_us=self.ts_us[rows], value=self.value[rows])

    @property
    def owner(self) -> Integers:
        """The number of the request that each reading belongs to."""
        return np.repeat(np.arange(self.bounds.size - 1), np.diff(self.bounds))

    @classmethod
    def sorted(
        cls,
        owner: Integers,
        ts_us: Integers,
        value: Floats,
        requests: int,
        uncertain: Bools | None = None,
    ) -> Series:
        """Build it from readings in any order, and the number of the request of each."""
        same = owner[1:] == owner[:-1]
        if np.any(owner[1:] < owner[:-1]) or np.any(same & (ts_us[1:] <= ts_us[:-1])):
            order = np.lexsort((ts_us, owner))
            owner, ts_us, value = owner[order], ts_us[order], value[order]
            uncertain = None if uncertain is None else uncertain[order]
        bounds = np.searchsorted(owner, np.arange(requests + 1))
        return cls(ts_us=ts_us, value=value, bounds=bounds, uncertain=uncertain)


def joined(uncertain: Bools | None, size: int, more: Series) -> Bools | None:
    """Return which of ``size`` readings and of those of ``more`` after them are uncertain."""
    if uncertain is None and more.uncertain is None:
        return None
    return np.concatenate(
        [
            np.zeros(count, dtype=np.bool_) if flags is None else flags
            for flags, count in ((uncertain, size), (more.uncertain, more.ts_us.size))
        ]
    )
