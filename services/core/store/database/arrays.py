"""NumPy arrays as PostgreSQL arrays, in the binary format, both ways.

An array is one parameter or one value, whatever its length: to take up thousands of rows one by one
costs more than to find or to write them. No element is null.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

#: Dimensions, whether there are nulls, type of the elements, length, first index.
_HEADER = struct.Struct(">iiIii")
_EMPTY = struct.Struct(">iiI")


class _ArrayDumper(Dumper):
    """One kind of element; found by the array's type of element."""

    format = Format.BINARY
    #: NumPy's character: OIDs of the element and of the array, and how an element is sent
    _TYPES: ClassVar[dict[str, tuple[int, int, str]]] = {
        "h": (21, 1005, ">i2"),
        "i": (23, 1007, ">i4"),
        "l": (20, 1016, ">i8"),
        "d": (701, 1022, ">f8"),
        "?": (16, 1000, "?"),
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
        rows["value"] = obj
        return _HEADER.pack(1, 0, self._element_oid, obj.size, 1) + rows.tobytes()


psycopg.adapters.register_dumper(np.ndarray, _ArrayDumper)


def loaded(sent: bytes | None, element: str) -> NDArray[Any]:
    """The array in what ``array_send`` gives, of elements such as ``>i8``; NULL is an empty one."""
    dtype = np.dtype(element)
    if sent is None or len(sent) < _HEADER.size:
        return np.zeros(0, dtype=dtype.newbyteorder("="))
    row = np.dtype([("length", ">i4"), ("value", dtype)])
    rows = np.frombuffer(sent, dtype=row, offset=_HEADER.size)
    return rows["value"].astype(dtype.newbyteorder("="))
