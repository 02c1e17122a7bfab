"""Rows as an Arrow IPC stream: a schema, then record batches."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import nanoarrow as na
from nanoarrow import ipc

from services.core.timeline.instants import EPOCH, MICROSECOND

#: As registered with IANA.
MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"

#: Type of each column, in order.
Columns = Mapping[str, na.Schema]


def stream(parts: Iterable[Sequence[dict[str, Any]]], columns: Columns) -> Iterator[bytes]:
    """Encode each part as a record batch; the schema goes before the first."""
    schema = na.struct(dict(columns), nullable=False)
    sink = io.BytesIO()
    with ipc.StreamWriter.from_writable(sink) as writer:
        # without rows too the stream says what it would hold
        writer.write_array(_batch([], schema, columns))
        for part in parts:
            writer.write_array(_batch(part, schema, columns))
            yield _taken(sink)
    yield _taken(sink)


def _batch(rows: Sequence[dict[str, Any]], schema: na.Schema, columns: Columns) -> Any:
    children = [
        na.c_array([_cell(row[name]) for row in rows], type_) for name, type_ in columns.items()
    ]
    return na.c_array_from_buffers(schema, len(rows), [None], children=children)


def _cell(value: Any) -> Any:
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data
