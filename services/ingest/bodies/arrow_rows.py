"""An Arrow IPC stream -> rows, as :mod:`..files.parquet_rows` reads those of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from services.core.timeline.instants import from_us
from services.ingest.bodies import arrow_stream
from services.ingest.bodies.arrow_stream import Column, Instants, Numbers, Texts, UnreadableError
from services.ingest.bodies.records import MAX_RECORDS, TooLargeBodyError
from services.ingest.decode.instant import NEWEST_US, OLDEST_US, parse_number, parse_text
from services.ingest.files import rows
from services.ingest.files.rows import (
    NO_TIME,
    UNSTATED,
    Bools,
    Columns,
    FileRows,
    Integers,
    Names,
    Stated,
    UnusableFileError,
)

_Table = dict[str, Column]


def read(body: bytes, stated: Stated, names: Names) -> Iterator[FileRows]:
    """Read a stream, a record batch at a time.

    :raises UnusableFileError: it is no such stream.
    :raises TooLargeBodyError: it has too many rows.
    """
    header: Columns | None = None
    before = 0
    try:
        for size, table in arrow_stream.batches(body, max_rows=MAX_RECORDS):
            if header is None:
                # the first says which columns there are
                header = rows.columns(list(table), stated)
            if before + size > MAX_RECORDS:
                raise TooLargeBodyError(
                    f"the body has more than {MAX_RECORDS} records; send fewer at once"
                )
            if size:
                yield from _rows(table, size, header, stated, names, before)
                before += size
    except UnreadableError as error:
        raise UnusableFileError(f"it is no Arrow stream that can be read ({error})") from None


def _rows(
    table: _Table, size: int, header: Columns, stated: Stated, names: Names, before: int
) -> Iterator[FileRows]:
    if header.value is not None:
        channels = _texts(table, header.channel, stated.channel, size)
        yield _readings(table, size, header, stated, names, before, header.value, channels)
    for channel in header.channels:
        yield _readings(table, size, header, stated, names, before, channel, [channel] * size)


def _readings(
    table: _Table,
    size: int,
    header: Columns,
    stated: Stated,
    names: Names,
    before: int,
    value_column: str,
    channels: Sequence[str],
) -> FileRows:
    ts_us, shown_times = _times(table[header.time])
    numbers = _numbers(table[value_column], value_column)
    known: Bools = numbers.known
    value = np.where(known, numbers.values.astype(np.float64), np.nan)
    has_device = header.device is not None or stated.device is not None
    keys = zip(
        _texts(table, header.facility, stated.facility, size),
        _texts(table, header.device, stated.device, size),
        channels,
        strict=True,
    )
    place = np.array(
        [
            names.places[rows.place(facility, device if has_device else None, channel)]
            for facility, device, channel in keys
        ],
        dtype=np.int64,
    )
    chosen = np.arange(size)
    if header.channels:
        # a cell without a value says nothing: not every channel has one at every time
        chosen = np.flatnonzero(known)
    shown_values = _shown(numbers)
    positions = chosen.tolist()
    return FileRows(
        line=chosen + (before + 1),
        place=place[chosen],
        quality=_numbered(_texts(table, header.quality, None, size), names.qualities)[chosen],
        unit=_numbered(_texts(table, header.unit, stated.unit, size), names.units)[chosen],
        ts_us=ts_us[chosen],
        value=value[chosen],
        missing=~known[chosen],
        raw=lambda i: (shown_times[positions[i]], shown_values[positions[i]]),
    )


def _numbered(texts: Sequence[str], numbers: rows.Numbers) -> Integers:
    return np.array([numbers[text.strip()] for text in texts], dtype=np.int64)


def _texts(table: _Table, name: str | None, stated: str | None, size: int) -> Sequence[str]:
    if name is None:
        return [UNSTATED if stated is None else stated] * size
    column = table[name]
    if not isinstance(column, Texts):
        raise UnusableFileError(f"column {name!r} holds no texts: write it as strings")
    return [UNSTATED if text is None else text for text in column.texts]


def _times(column: Column) -> tuple[Integers, Sequence[Any]]:
    """Return times in microseconds, and each as a message says it."""
    if isinstance(column, Instants):
        if not column.is_utc:
            raise UnusableFileError("its times have no time zone: write them as timestamps in UTC")
        times, by = column.tick_us
        # a tick that is no time at all must not come round to one
        is_sane = column.known & (np.abs(column.ticks.astype(np.float64)) * times / by <= NEWEST_US)
        us = np.where(is_sane, column.ticks, 0) * times // by
        us = np.where(is_sane & (us >= OLDEST_US), us, NO_TIME)
        return us, [None if t == NO_TIME else from_us(t) for t in us.tolist()]
    if isinstance(column, Texts):
        shown: Sequence[Any] = column.texts
    elif isinstance(column, Numbers):
        shown = _shown(column)
    else:
        raise UnusableFileError("its times are neither timestamps, texts nor numbers")
    times_us: dict[Any, int] = {}
    for raw in set(shown):
        try:
            times_us[raw] = parse_text(raw) if isinstance(raw, str) else parse_number(float(raw))
        except (TypeError, ValueError, OverflowError):
            times_us[raw] = NO_TIME
    return np.fromiter((times_us[raw] for raw in shown), np.int64, len(shown)), shown


def _shown(column: Numbers) -> list[Any]:
    return [
        number if is_known else None
        for number, is_known in zip(column.values.tolist(), column.known.tolist(), strict=True)
    ]


def _numbers(column: Column, name: str) -> Numbers:
    if isinstance(column, Texts) and not any(column.texts):
        # of a column without a value many programs do not know the type
        size = len(column.texts)
        return Numbers(values=np.zeros(size), known=np.zeros(size, dtype=np.bool_))
    if not isinstance(column, Numbers):
        raise UnusableFileError(f"column {name!r} holds no numbers: write it as float64")
    return column
