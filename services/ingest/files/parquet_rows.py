"""Rows of a Parquet file, such as those of an archive; pyarrow is an extra of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.core.timeline.instants import from_us, rfc3339
from services.ingest.decode.instant import NEWEST_US, OLDEST_US, parse_number, parse_text
from services.ingest.files import rows
from services.ingest.files.rows import (
    NO_TIME,
    UNSTATED,
    Columns,
    FileRows,
    Integers,
    Names,
    Stated,
    UnusableFileError,
)

#: Rows that are read at once.
_ROWS: Final = 50_000

_UTC: Final = pa.timestamp("us", tz="UTC")


def read(
    path: Path, stated: Stated, names: Names, advance: Callable[[int], None]
) -> Iterator[FileRows]:
    """Read a file, some thousand rows at a time; ``advance`` hears how many bytes were.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    try:
        file = pq.ParquetFile(path)
        header = rows.columns(file.schema_arrow.names, stated)
        size, count, before = path.stat().st_size, max(file.metadata.num_rows, 1), 0
        for batch in file.iter_batches(_ROWS):
            table = pa.Table.from_batches([batch])
            yield from _rows(table, header, stated, names, before)
            before += table.num_rows
            advance(size * before // count - size * (before - table.num_rows) // count)
    except (pa.ArrowException, UnicodeError) as error:
        raise UnusableFileError(f"it is no Parquet that can be read ({error})") from None


def _rows(
    table: pa.Table, header: Columns, stated: Stated, names: Names, before: int
) -> Iterator[FileRows]:
    if header.value is not None:
        yield _readings(table, header, stated, names, before, header.value, None)
    for channel in header.channels:
        yield _readings(table, header, stated, names, before, channel, channel)


def _readings(
    table: pa.Table,
    header: Columns,
    stated: Stated,
    names: Names,
    before: int,
    value_column: str,
    channel: str | None,
) -> FileRows:
    numbers = np.arange(before + 1, before + 1 + table.num_rows)
    if channel is not None:
        # a cell without a value says nothing: not every channel has one at every time
        present = table[value_column].is_valid()
        numbers = numbers[present.to_numpy()]
        table = table.filter(present)
    times = table[header.time]
    values = table[value_column]
    missing = values.is_null().to_numpy()
    ts_us = _times(times)
    return FileRows(
        line=numbers,
        place=_places(table, header, stated, names, channel),
        quality=_words(table, header.quality, None, names.qualities),
        unit=_words(table, header.unit, stated.unit, names.units),
        ts_us=ts_us,
        value=_values(values),
        missing=missing,
        raw=lambda i: (_shown_time(times[i], int(ts_us[i])), values[i].as_py()),
    )


def _codes(column: pa.ChunkedArray) -> tuple[Integers, list[str]]:
    """Return the number of each text, and the texts by number."""
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = pc.fill_null(array.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    texts = [*(str(text) for text in array.dictionary.to_pylist()), UNSTATED]
    return np.where(codes < 0, len(texts) - 1, codes), texts


def _column(table: pa.Table, name: str | None, stated: str | None) -> tuple[Integers, list[str]]:
    if name is None:
        return np.zeros(table.num_rows, dtype=np.int64), [UNSTATED if stated is None else stated]
    return _codes(table[name])


def _words(
    table: pa.Table, name: str | None, stated: str | None, numbers: rows.Numbers
) -> Integers:
    codes, texts = _column(table, name, stated)
    return np.array([numbers[text.strip()] for text in texts], dtype=np.int64)[codes]


def _places(
    table: pa.Table, header: Columns, stated: Stated, names: Names, channel: str | None
) -> Integers:
    has_device = header.device is not None or stated.device is not None
    (facility, facilities), (device, devices), (of_channel, channels) = (
        _column(table, header.facility, stated.facility),
        _column(table, header.device, stated.device),
        _column(table, header.channel, channel if channel is not None else stated.channel),
    )
    keys = (facility * len(devices) + device) * len(channels) + of_channel
    present, position = np.unique(keys, return_inverse=True)
    places = [
        names.places[
            rows.place(
                facilities[key // len(channels) // len(devices)],
                devices[key // len(channels) % len(devices)] if has_device else None,
                channels[key % len(channels)],
            )
        ]
        for key in present.tolist()
    ]
    return np.array(places, dtype=np.int64)[position]


def _times(column: pa.ChunkedArray) -> Integers:
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            raise UnusableFileError(
                f"its times have no time zone ({kind}): write them as timestamps in UTC"
            )
        us = pc.fill_null(column.cast(_UTC, safe=False).cast(pa.int64()), NO_TIME)
        return np.asarray(us.to_numpy())
    times: dict[Any, int] = {}
    for raw in pc.unique(column).to_pylist():
        try:
            times[raw] = parse_text(raw) if isinstance(raw, str) else parse_number(float(raw))
        except (TypeError, ValueError, OverflowError):
            times[raw] = NO_TIME
    return np.fromiter(map(times.__getitem__, column.to_pylist()), np.int64, len(column))


def _values(column: pa.ChunkedArray) -> rows.Floats:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raise UnusableFileError("its values are texts: write them as numbers")
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy())


def _shown_time(raw: pa.Scalar, ts_us: int) -> Any:
    """Return a time as a message would say it."""
    if not pa.types.is_timestamp(raw.type) or not raw.is_valid:
        return raw.as_py()
    # a file may name a zone that nobody knows, or a year that no calendar has
    return rfc3339(from_us(ts_us)) if OLDEST_US <= ts_us <= NEWEST_US else f"{ts_us} us"
