"""Readings of packed days among those of rows: what is asked for, and as many around it.

What computes takes them as arrays (:class:`.series.StoredReadings`); rows of a session are made for
those alone who ask in SQL (:mod:`.history`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from services.core.store.readings.packing.columns import SeriesColumns
from services.core.store.readings.packing.days import unpacked_series
from services.core.store.readings.series_arrays import (
    Bools,
    Floats,
    Integers,
    Series,
    SeriesRequests,
)
from services.core.timeline.instants import MINUTE_US

#: Qualities up to this one tell a value; this one is uncertain, and that a gap above the range.
_LAST_USABLE, _UNCERTAIN, _ABOVE_RANGE = 1, 1, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Channel:
    """Packed readings of a channel, as a series tells them."""

    ts_us: Integers
    value: Floats
    uncertain: Bools
    #: places of those that count as neighbours of a register
    usable: Integers

    @classmethod
    def unpacked(cls, channel_id: int, rows: Sequence[tuple[int, int, bytes | None]]) -> _Channel:
        series = SeriesColumns.joined([unpacked_series(channel_id, *row) for row in rows])
        usable = (series.quality <= _LAST_USABLE) & ~series.missing
        gap = np.where(series.quality == _ABOVE_RANGE, np.inf, np.nan)
        return cls(
            ts_us=series.ts_us,
            value=np.where(usable, series.value, gap),
            uncertain=series.quality == _UNCERTAIN,
            usable=np.flatnonzero(usable),
        )

    def around(self, first_us: int, end_us: int, before: int, after: int) -> Integers:
        """Return the places of readings of a span, and of so many before and after it."""
        low, high = np.searchsorted(self.ts_us, (first_us, end_us)).tolist()
        within = np.arange(low, high)
        if not after:
            return np.concatenate((np.arange(max(low - before, 0), low), within))
        first, end = np.searchsorted(self.usable, (low, high)).tolist()
        earlier = self.usable[max(first - before, 0) : first]
        return np.concatenate((earlier, within, self.usable[end : end + after]))


def with_packed(
    rows: Series, requests: SeriesRequests, packed: Iterable[tuple[int, int, int, bytes | None]]
) -> Series:
    """Return readings of rows and of packed ones: channel, day, days and series, in order.

    Of both there are as many around each request as it wants, as far as there are.

    :raises ArchivedDayError: one of the days is in the archive alone.
    :raises DamagedDayError: one of them cannot be unpacked.
    """
    by_channel: dict[int, list[tuple[int, int, bytes | None]]] = {}
    for channel_id, day, days, series in packed:
        by_channel.setdefault(channel_id, []).append((day, days, series))
    if not by_channel:
        return rows
    channels = {
        channel_id: _Channel.unpacked(channel_id, its) for channel_id, its in by_channel.items()
    }
    no_row: Bools = np.zeros(rows.ts_us.size, dtype=np.bool_)
    owner, ts_us, value = [rows.owner], [rows.ts_us], [rows.value]
    uncertain = [no_row if rows.uncertain is None else rows.uncertain]
    firsts_us, ends_us = requests.firsts * MINUTE_US, (requests.lasts + 1) * MINUTE_US
    for i, channel_id in enumerate(requests.channels.tolist()):
        if (channel := channels.get(channel_id)) is None:
            continue
        places = channel.around(
            int(firsts_us[i]), int(ends_us[i]), int(requests.before[i]), int(requests.after[i])
        )
        owner.append(np.full(places.size, i))
        ts_us.append(channel.ts_us[places])
        value.append(channel.value[places])
        uncertain.append(channel.uncertain[places])
    flags: Bools = np.concatenate(uncertain)
    both = Series.sorted(
        np.concatenate(owner),
        np.concatenate(ts_us),
        np.concatenate(value),
        len(requests),
        flags if flags.any() else None,
    )
    return _nearest(both, requests) if no_row.size else both


def _nearest(series: Series, requests: SeriesRequests) -> Series:
    """Leave out neighbours that are farther away than others of which there are enough."""
    owner = series.owner
    early = series.ts_us < (requests.firsts * MINUTE_US)[owner]
    late = series.ts_us >= ((requests.lasts + 1) * MINUTE_US)[owner]
    count_early = np.bincount(owner[early], minlength=len(requests))
    count_late = np.bincount(owner[late], minlength=len(requests))
    place = np.arange(owner.size)
    near = place >= (series.bounds[:-1] + np.maximum(count_early - requests.before, 0))[owner]
    near &= place < (series.bounds[1:] - np.maximum(count_late - requests.after, 0))[owner]
    if near.all():
        return series
    uncertain = None if series.uncertain is None else series.uncertain[near]
    return Series.sorted(
        owner[near], series.ts_us[near], series.value[near], len(requests), uncertain
    )
