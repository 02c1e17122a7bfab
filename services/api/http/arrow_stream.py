"""Columns as an Arrow IPC stream: a schema, then record batches."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import nanoarrow as na
import numpy as np
from nanoarrow import ipc
from numpy.typing import NDArray

from services.api.http.columns import Column, Instants, Numbers, Table, Words
from services.core.timeline.instants import EPOCH, MICROSECOND

#: As registered with IANA.
MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"

#: Type of each column, in order.
Types = Mapping[str, na.Schema]


def stream(tables: Iterable[Table], types: Types) -> Iterator[bytes]:
    """Encode each part of a table as a record batch; the schema goes before the first."""
    sink = io.BytesIO()
    with ipc.StreamWriter.from_writable(sink) as writer:
        # without rows too the stream says what it would hold
        schema = struct(types)
        writer.write_array(na.c_array([], schema))
        for table in tables:
            writer.write_array(batch(table, types))
            yield _taken(sink)
    yield _taken(sink)


def struct(types: Types) -> na.Schema:
    """Return the type of rows."""
    return na.struct(dict(types), nullable=False)


def batch(table: Table, types: Types) -> Any:
    """Return a table as an array of rows."""
    children = [_array(table.columns[name], type_) for name, type_ in types.items()]
    return na.c_array_from_buffers(struct(types), len(table), [None], children=children)


def _array(column: Column, type_: na.Schema) -> Any:
    if isinstance(column, Instants):
        return _buffers(type_, len(column), None, column.instants_us[column.index])
    if isinstance(column, Numbers):
        values = column.values
        if type_.type is na.Type.BOOL:
            values = np.packbits(values, bitorder="little")
        elif type_.type is na.Type.INT32:
            values = values.astype(np.int32)
        return _buffers(type_, len(column), column.known, values)
    if isinstance(column, Words) and type_.type is na.Type.STRING:
        return _strings(column, type_)
    return na.c_array([_cell(cell) for cell in column.cells()], type_)


def _strings(column: Words, type_: na.Schema) -> Any:
    encoded = [b"" if word is None else word.encode() for word in column.words]
    is_known = np.array([word is not None for word in column.words])[column.index]
    lengths = np.array([len(word) for word in encoded], dtype=np.int32)[column.index]
    ends = np.zeros(lengths.size + 1, dtype=np.int32)
    np.cumsum(lengths, out=ends[1:])
    first = int(column.index[0]) if lengths.size else 0
    if (column.index == first).all():
        data = encoded[first] * lengths.size
    else:
        data = b"".join([encoded[index] for index in column.index.tolist()])
    return _buffers(type_, lengths.size, is_known, ends, data)


def _buffers(type_: na.Schema, length: int, known: NDArray[np.bool_] | None, *buffers: Any) -> Any:
    validity, nulls = None, 0
    if known is not None and not known.all():
        validity = np.packbits(known, bitorder="little")
        nulls = int(length - np.count_nonzero(known))
    return na.c_array_from_buffers(type_, length, [validity, *buffers], null_count=nulls)


def _cell(value: Any) -> Any:
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data
