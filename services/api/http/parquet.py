"""Columns as a Parquet file, a row group for each part; pyarrow is an extra of the package."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import nanoarrow as na

from services.api.http.arrow_stream import Types, batch, struct
from services.api.http.columns import Table
from services.api.http.problems import NotAcceptable

#: As registered with IANA.
MEDIA_TYPE: Final = "application/vnd.apache.parquet"


class _Written(io.RawIOBase):
    """What was written since it was last taken; it knows how much went before."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def take(self) -> bytes:
        """Return what is new."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def stream(tables: Iterable[Table], types: Types) -> Iterator[bytes]:
    """Encode the parts of a table, in order; times are UTC, in microseconds.

    :raises NotAcceptable: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 170 MB, for who asks for it
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415
    except ModuleNotFoundError:
        raise NotAcceptable(
            "Parquet needs pyarrow, which is not installed here: ask for CSV or Arrow, or install"
            " tonne with its extra parquet."
        ) from None
    return _parts(pa, ParquetWriter, tables, types)


def _parts(pa: Any, writer_of: Any, tables: Iterable[Table], types: Types) -> Iterator[bytes]:
    sink = _Written()
    schema = pa.schema(na.c_schema(struct(types)))
    with writer_of(sink, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_batch(pa.record_batch(batch(table, types)))
            yield sink.take()
    yield sink.take()
