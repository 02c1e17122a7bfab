"""The columns of an archive's file: what anybody can read, and what readings come back from.

Encodings are those that DuckDB, Polars, Spark and pandas read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.core.store.packing.days import Integers
from services.core.store.readings.archive.months import ArchivedChannel
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.packing.columns import ReadingColumns

#: By their code in the table ``reading``: whose clock told the time.
TIME_SOURCES: Final = ("device", "broker", "after waiting", "message before")

_INSTANT: Final = pa.timestamp("us", tz="UTC")
_NAME: Final = pa.dictionary(pa.int32(), pa.string())

SCHEMA: Final = pa.schema(
    [
        pa.field("facility", _NAME, nullable=False),
        pa.field("device", _NAME, nullable=False),
        pa.field("channel", _NAME, nullable=False),
        pa.field("unit", _NAME, nullable=False),
        pa.field("ts", _INSTANT, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("quality", _NAME, nullable=False),
        pa.field("time_source", _NAME, nullable=False),
        pa.field("received_at", _INSTANT, nullable=False),
        pa.field("known_at", _INSTANT),
    ]
)

#: Readings of one row group: what a reader holds in memory at once.
GROUP_READINGS: Final = 1_000_000

_INSTANTS: Final = ("ts", "received_at", "known_at")


def writer(path: str) -> pq.ParquetWriter:
    """Open a file for row groups."""
    return pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in SCHEMA.names if name not in _INSTANTS],
        column_encoding=dict.fromkeys(_INSTANTS, "DELTA_BINARY_PACKED"),
        # names as plain strings, for who knows nothing of Arrow
        store_schema=False,
        write_page_index=True,
        write_page_checksum=True,
    )


def group(facility: str, parts: Sequence[tuple[ArchivedChannel, ReadingColumns]]) -> pa.Table:
    """Build the rows of a row group."""
    sizes = np.array([len(readings) for _, readings in parts], dtype=np.int64)
    readings = ReadingColumns.joined([readings for _, readings in parts])
    count = int(sizes.sum())
    return pa.table(
        {
            "facility": _names([facility], np.zeros(count, dtype=np.int32)),
            **{
                name: _names(
                    [getattr(channel, name) for channel, _ in parts],
                    np.repeat(np.arange(len(parts), dtype=np.int32), sizes),
                )
                for name in ("device", "channel", "unit")
            },
            "ts": _instants(readings.ts_us),
            "value": pa.array(readings.value, mask=readings.missing),
            "quality": _names(QUALITIES, readings.quality),
            "time_source": _names(TIME_SOURCES, readings.time_source),
            "received_at": _instants(readings.received_us),
            "known_at": _instants(readings.known_us, readings.unknown),
        },
        schema=SCHEMA,
    )


def channels_and_readings(table: pa.Table) -> list[tuple[str, str, ReadingColumns]]:
    """Return device, channel and readings of a row group, a part for each run of one channel."""
    table = table.combine_chunks()
    devices, channels = _codes(table["device"]), _codes(table["channel"])
    differs = np.flatnonzero((devices[1:] != devices[:-1]) | (channels[1:] != channels[:-1]))
    begins = [0, *(differs + 1).tolist()]
    ends = [*begins[1:], table.num_rows]
    readings = _readings(table)
    return [
        (
            table["device"][begin].as_py(),
            table["channel"][begin].as_py(),
            readings.where(slice(begin, end)),
        )
        for begin, end in zip(begins, ends, strict=True)
        if end > begin
    ]


def _readings(table: pa.Table) -> ReadingColumns:
    missing = table["value"].is_null().to_numpy()
    unknown = table["known_at"].is_null().to_numpy()
    return ReadingColumns(
        ts_us=_us(table["ts"]),
        value=np.where(missing, 0.0, pc.fill_null(table["value"], 0.0).to_numpy()),
        missing=missing,
        quality=_named(table["quality"], QUALITIES),
        time_source=_named(table["time_source"], TIME_SOURCES),
        received_us=_us(table["received_at"]),
        known_us=np.where(unknown, 0, _us(table["known_at"])),
        unknown=unknown,
    )


def _names(names: Sequence[str], codes: Any) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(list(names)))


def _instants(us: Integers, null: Any = None) -> pa.Array:
    return pa.array(us, mask=null).cast(_INSTANT)


def _us(column: pa.ChunkedArray) -> Integers:
    filled: Integers = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    return filled


def _codes(column: pa.ChunkedArray) -> Integers:
    """Return numbers that are equal where the column's strings are."""
    return np.asarray(_dictionary(column).indices)


def _named(column: pa.ChunkedArray, names: Sequence[str]) -> Integers:
    """Return the place of each string among ``names``."""
    encoded = _dictionary(column)
    places = np.array([names.index(name) for name in encoded.dictionary.to_pylist()])
    codes: Integers = places[np.asarray(encoded.indices)].astype(np.int64)
    return codes


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
