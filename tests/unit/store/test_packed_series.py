"""Readings of packed days among rows: those asked for, and as many around them as are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.store.readings.packed_series import with_packed
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.packing.columns import ReadingColumns
from services.core.store.readings.series_arrays import Series, SeriesRequests
from services.core.timeline.instants import DAY_US, MINUTE_US

DAY = 20_000
FIRST = DAY * 1440
CHANNEL = 7
#: Minutes of the day of readings of each quality: good, uncertain, bad, above the range; no value.
GOOD, UNCERTAIN, BAD, ABOVE, GAP = (0, 10, 20, 30, 50), 40, 25, 35, 45


def packed_day() -> bytes:
    minutes = np.array(sorted([*GOOD, UNCERTAIN, BAD, ABOVE, GAP]))
    quality = np.select([minutes == UNCERTAIN, minutes == BAD, minutes == ABOVE], [1, 2, 5], 0)
    nothing = np.zeros(minutes.size, dtype=np.int64)
    readings = ReadingColumns(
        ts_us=DAY * DAY_US + minutes * MINUTE_US,
        value=np.where(minutes == GAP, 0.0, minutes.astype(np.float64)),
        missing=minutes == GAP,
        quality=quality,
        time_source=nothing,
        received_us=nothing + (DAY + 1) * DAY_US,
        known_us=nothing,
        unknown=np.ones(minutes.size, dtype=np.bool_),
    )
    return codec.pack(readings)[0]


def request(before: int, after: int) -> SeriesRequests:
    first, last, before_, after_ = (np.array([n]) for n in (FIRST + 24, FIRST + 36, before, after))
    channels = np.array([CHANNEL])
    return SeriesRequests(channels=channels, firsts=first, lasts=last, before=before_, after=after_)


def rows(*minutes: int) -> Series:
    ts_us = (FIRST + np.array(minutes, dtype=np.int64)) * MINUTE_US
    return Series.sorted(
        np.zeros(ts_us.size, dtype=np.int64), ts_us, np.array(minutes, dtype=np.float64), 1
    )


def told(series: Series) -> list[tuple[int, float, bool]]:
    flags = np.zeros(series.ts_us.size, bool) if series.uncertain is None else series.uncertain
    minutes = series.ts_us // MINUTE_US - FIRST
    return list(zip(minutes.tolist(), series.value.tolist(), flags.tolist(), strict=True))


def test_a_register_has_neighbours_that_can_be_used_and_gaps_within() -> None:
    series = with_packed(rows(), request(2, 2), [(CHANNEL, DAY, 1, packed_day())])
    (early, late), within = (told(series)[:2], told(series)[-2:]), told(series)[2:-2]
    assert early == [(10, 10.0, False), (20, 20.0, False)]
    assert late == [(40, 40.0, True), (50, 50.0, False)]
    assert [minute for minute, *_ in within] == [25, 30, 35]
    assert np.isnan(within[0][1])
    assert within[2][1] == np.inf


def test_a_gauge_is_ended_by_a_gap_before() -> None:
    series = with_packed(rows(), request(1, 0), [(CHANNEL, DAY, 1, packed_day())])
    assert [minute for minute, *_ in told(series)] == [20, 25, 30, 35]


def test_of_rows_and_packed_days_the_nearest_are_neighbours() -> None:
    beside = rows(-2000, -1500, 3000, 4000)
    series = with_packed(beside, request(4, 3), [(CHANNEL, DAY, 1, packed_day())])
    assert [minute for minute, *_ in told(series)] == [-1500, 0, 10, 20, 25, 30, 35, 40, 50, 3000]


def test_what_is_in_the_archive_alone_is_told() -> None:
    with pytest.raises(ArchivedDayError):
        with_packed(rows(), request(1, 0), [(CHANNEL, DAY, 1, None)])
