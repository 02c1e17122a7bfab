"""Columns of readings to bytes and back, every bit kept.

Two blobs: the series (time, value, quality) and the arrival (time source, received, known). When a
reading arrived is packed as it is or as how much later than the reading that was, whichever is
smaller.
"""

from __future__ import annotations

import numpy as np

from services.core.store.packing.blobs import (
    RISING,
    Source,
    check_lengths,
    check_packed,
    closed,
    floats,
    integers,
    later,
    unpacking,
)
from services.core.store.readings.packing.columns import ReadingColumns, SeriesColumns


def pack(readings: ReadingColumns) -> tuple[bytes, bytes]:
    """Pack one reading or more into a series and an arrival.

    :raises DamagedError: what was packed does not come back as it was; nothing is to be removed.
    """
    present = ~readings.missing
    series = closed(
        integers(readings.ts_us, RISING),
        integers(np.flatnonzero(readings.missing), RISING),
        floats(readings.value[present]),
        integers(readings.quality),
    )
    known = ~readings.unknown
    arrival = closed(
        integers(readings.time_source),
        later(readings.received_us, readings.ts_us),
        integers(np.flatnonzero(known), RISING),
        later(readings.known_us[known], readings.received_us[known]),
    )
    check_packed(is_same=unpack(series, arrival).sent() == readings.sent())
    return series, arrival


def unpack(series: bytes, arrival: bytes) -> ReadingColumns:
    """Return what :func:`pack` was given.

    :raises DamagedError: it is not what was packed.
    """
    with unpacking():
        return _unpack(series, arrival)


def unpack_series(series: bytes) -> SeriesColumns:
    """Return what of it :func:`pack` put into the series: half of the work, or less.

    :raises DamagedError: it is not what was packed.
    """
    with unpacking():
        return _unpack_series(series)


def _unpack_series(series: bytes) -> SeriesColumns:
    source = Source(series)
    ts_us = source.integers()
    gaps = source.integers()
    value = source.floats()
    missing = np.zeros(ts_us.size, dtype=np.bool_)
    if gaps.size:
        missing[gaps] = True
        present, value = value, np.zeros(ts_us.size, dtype=np.float64)
        value[~missing] = present
    quality = source.integers()
    source.ends()
    check_lengths(ts_us.size, (quality, value))
    return SeriesColumns(ts_us=ts_us, value=value, missing=missing, quality=quality)


def _unpack(series: bytes, arrival: bytes) -> ReadingColumns:
    series_columns = _unpack_series(series)
    ts_us = series_columns.ts_us
    source = Source(arrival)
    time_source = source.integers()
    received_us = source.later(ts_us)
    known = source.flags(ts_us.size)
    known_us = np.zeros(ts_us.size, dtype=np.int64)
    known_us[known] = source.later(received_us[known])
    source.ends()
    check_lengths(ts_us.size, (time_source, received_us))
    return ReadingColumns(
        ts_us=ts_us,
        value=series_columns.value,
        missing=series_columns.missing,
        quality=series_columns.quality,
        time_source=time_source,
        received_us=received_us,
        known_us=known_us,
        unknown=~known,
    )
