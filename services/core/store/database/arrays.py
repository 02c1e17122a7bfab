"""NumPy arrays in PostgreSQL's binary format, the one place that knows it.

- An array as a parameter: pass it, ``unnest`` it. Changed rows are written so.
- Rows as arrays: :class:`PackedRows`. They come as one value: to take up thousands of rows one by
  one costs more than to find them.
- Columns for COPY: :func:`copy_data`. New readings are written so.
- An array that is stored as one: :func:`loaded`; what ``array_send`` makes of one, for digests:
  :func:`array_sent`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from services.core.timeline.instants import POSTGRES_EPOCH_US

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which ingest and the aggregator do without
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Dimensions, whether there are nulls, type of the elements, length, first index.
_HEADER = struct.Struct(">iiIii")
_EMPTY = struct.Struct(">iiI")
#: An element's length; that of a null.
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
#: The type of bytes.
_BYTEA = 17

#: What binary COPY begins and ends with: its signature, no flags, no more of a header.
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"


#: How each type of PostgreSQL is sent, as NumPy calls it.
_SENT: Mapping[str, str] = {
    "bool": "?",
    "int2": ">i2",
    "int4": ">i4",
    "int8": ">i8",
    "float8": ">f8",
    "timestamptz": ">i8",
}


class _ArrayDumper(Dumper):
    """One kind of element, none of them null; found by the array's type of element."""

    format = Format.BINARY
    #: NumPy's character: OIDs of the element and of the array, and how an element is sent
    _TYPES: ClassVar[dict[str, tuple[int, int, str]]] = {
        "h": (21, 1005, _SENT["int2"]),
        "i": (23, 1007, _SENT["int4"]),
        "l": (20, 1016, _SENT["int8"]),
        "d": (701, 1022, _SENT["float8"]),
        "?": (16, 1000, _SENT["bool"]),
        # of microseconds
        "M": (1184, 1185, _SENT["timestamptz"]),
    }

    def __init__(self, cls: type, context: Any = None, char: str = "l") -> None:
        super().__init__(cls, context)
        self._element_oid, self.oid, sent = self._TYPES[char]
        self._row = np.dtype([("length", ">i4"), ("value", sent)])
        self._char = char

    def get_key(self, obj: NDArray[Any], format: PyFormat) -> Any:  # noqa: ARG002, A002
        return (self.cls, obj.dtype.char)

    def upgrade(self, obj: NDArray[Any], format: PyFormat) -> Dumper:  # noqa: ARG002, A002
        return _ArrayDumper(self.cls, None, obj.dtype.char)

    def dump(self, obj: NDArray[Any]) -> bytes:
        if obj.size == 0:
            return _EMPTY.pack(0, 0, self._element_oid)
        rows = np.empty(obj.size, dtype=self._row)
        rows["length"] = self._row["value"].itemsize
        rows["value"] = obj.view(np.int64) - POSTGRES_EPOCH_US if self._char == "M" else obj
        return _HEADER.pack(1, 0, self._element_oid, obj.size, 1) + rows.tobytes()


psycopg.adapters.register_dumper(np.ndarray, _ArrayDumper)


class PackedRows:
    """Rows that PostgreSQL puts together into one value, and NumPy takes apart into columns.

    Nothing in them is null: a row with a null in it is left out.
    """

    def __init__(self, **types: str) -> None:
        """Name the columns, each with its type in PostgreSQL, such as ``int8``."""
        self._types = types
        self._sent = np.dtype([(name, _SENT[type_]) for name, type_ in types.items()])

    def sql(self, *expressions: LiteralString, order_by: LiteralString = "") -> LiteralString:
        """Return the aggregate that packs the expressions, one of each column's type in turn."""
        order = f" ORDER BY {order_by}" if order_by else ""
        return f"string_agg({self.row_sql(*expressions)}, ''{order})"

    def row_sql(self, *expressions: LiteralString) -> LiteralString:
        """Return what packs a row by itself; rows are packed by putting them together."""
        return " || ".join(
            f"{type_}{'_' if type_ == 'timestamptz' else ''}send({expression})"
            for type_, expression in zip(self._types.values(), expressions, strict=True)
        )

    def rows(self, packed: bytes | None) -> NDArray[Any]:
        """Return the rows as an array of records; timestamps as microseconds since the epoch."""
        array = np.frombuffer(packed or b"", dtype=self._sent).astype(self._sent.newbyteorder("="))
        for name, type_ in self._types.items():
            if type_ == "timestamptz":
                array[name] += POSTGRES_EPOCH_US
        return array

    def columns(self, packed: bytes | None) -> dict[str, NDArray[Any]]:
        """Return each column of :meth:`rows` as an array of its own."""
        array = self.rows(packed)
        return {name: np.ascontiguousarray(array[name]) for name in self._types}

    def sent(self, **columns: NDArray[Any]) -> bytes:
        """Return rows as PostgreSQL puts them together; timestamps in microseconds."""
        rows = np.empty(next(iter(columns.values())).size, dtype=self._sent)
        for name, type_ in self._types.items():
            column = columns[name]
            rows[name] = column - POSTGRES_EPOCH_US if type_ == "timestamptz" else column
        return rows.tobytes()

    def select(
        self, connection: psycopg.Connection[Any], sql: LiteralString, parameters: Any
    ) -> NDArray[Any]:
        """Run a query whose columns are these and return its rows as :meth:`rows` does."""
        names: Any = tuple(self._types)
        row = connection.execute(
            f"SELECT {self.sql(*names)} FROM ({sql}) AS q({', '.join(names)})",  # noqa: S608
            parameters,
            binary=True,
        ).fetchone()
        return self.rows(None if row is None else row[0])


async def binary_row(
    connection: AsyncConnection,
    sql: LiteralString,
    parameters: Mapping[str, Any] | Sequence[Any],
) -> tuple[Any, ...]:
    """Run a query that answers with one row, and take it in binary: bytes are not spelled out.

    It is asked of the driver alone, which takes half as long as through SQLAlchemy. Without a row
    the answer is empty.
    """
    row = await (await _in_binary(connection, sql, parameters)).fetchone()
    return row or ()


async def binary_rows(
    connection: AsyncConnection, sql: LiteralString, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Do as :func:`binary_row` does, with all rows."""
    return await (await _in_binary(connection, sql, parameters)).fetchall()


async def binary_record(
    connection: AsyncConnection, sql: LiteralString, parameters: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Do as :func:`binary_row` does, with values by their names; None: there is no row."""
    cursor = await _in_binary(connection, sql, parameters)
    row = await cursor.fetchone()
    names = (column.name for column in cursor.description or ())
    return None if row is None else dict(zip(names, row, strict=True))


async def _in_binary(
    connection: AsyncConnection,
    sql: LiteralString,
    parameters: Mapping[str, Any] | Sequence[Any],
) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)  # noqa: S101 - the only driver
    return await raw.execute(sql, parameters, binary=True)


def loaded(sent: bytes | None, element: str) -> NDArray[Any]:
    """Return the array that ``array_send`` gave, of elements such as ``>i8``; NULL is empty."""
    dtype = np.dtype(element)
    if sent is None or len(sent) < _HEADER.size:
        return np.zeros(0, dtype=dtype.newbyteorder("="))
    row = np.dtype([("length", ">i4"), ("value", dtype)])
    rows = np.frombuffer(sent, dtype=row, offset=_HEADER.size)
    return rows["value"].astype(dtype.newbyteorder("="))


def array_sent(column: NDArray[Any], absent: NDArray[np.bool_] | None = None) -> bytes:
    """Return what ``array_send`` makes of a column, not empty; ``absent``: where it is null."""
    sent = _ArrayDumper(np.ndarray, None, column.dtype.char).dump(column)
    if absent is None or not absent.any():
        return sent
    dimensions, _, oid, size, first = _HEADER.unpack_from(sent)
    elements = np.frombuffer(sent, dtype=np.uint8, offset=_HEADER.size).reshape(size, -1).copy()
    elements[absent, : _LENGTH.size] = 0xFF
    present = np.ones(elements.shape, dtype=np.bool_)
    present[absent, _LENGTH.size :] = False
    return _HEADER.pack(dimensions, 1, oid, size, first) + elements[present].tobytes()


def bytes_sent(column: Sequence[bytes | None]) -> bytes:
    """Return what ``array_send`` makes of a column of bytes, one or more of them."""
    elements = [_NULL if b is None else _LENGTH.pack(len(b)) + b for b in column]
    return _HEADER.pack(1, int(None in column), _BYTEA, len(column), 1) + b"".join(elements)


def copy_data(
    columns: Mapping[str, NDArray[Any]], null: Mapping[str, NDArray[np.bool_]] | None = None
) -> bytes:
    """Return all that ``COPY ... FROM STDIN (FORMAT BINARY)`` reads, of columns of one length.

    Binary COPY casts nothing: each column has the very type that its integers or floats are sent
    as, int64 microseconds since 2000 being what a timestamptz looks like. ``null``: where the
    columns named there hold nothing.
    """
    fields: list[tuple[str, str]] = [("number", ">i2")]
    begins: dict[str, int] = {}
    for name, column in columns.items():
        fields.append((f"length of {name}", ">i4"))
        begins[name] = np.dtype(fields).itemsize
        fields.append((name, column.dtype.newbyteorder(">").str))
    row = np.dtype(fields)
    size = next(iter(columns.values())).size
    rows = np.empty(size, dtype=row)
    rows["number"] = len(columns)
    for name, column in columns.items():
        rows[f"length of {name}"] = column.itemsize
        rows[name] = column
    if not null:
        return b"".join((_COPY_BEGIN, rows.tobytes(), _COPY_END))
    sent = np.ones((size, row.itemsize), dtype=np.bool_)
    for name, absent in null.items():
        rows[f"length of {name}"][absent] = -1
        sent[absent, begins[name] : begins[name] + columns[name].itemsize] = False
    data = rows.view(np.uint8).reshape(size, row.itemsize)[sent]
    return b"".join((_COPY_BEGIN, data.tobytes(), _COPY_END))
