"""Tables of FlatBuffers within bytes that anybody may have sent: every look is within bounds.

Source: flatbuffers.dev, "FlatBuffer Internals". A table begins with the distance back to its
vtable, which holds where each field stands; a field that is not there has its default.
"""

from __future__ import annotations

import struct
from typing import Final

_SCALARS: Final = {
    size: struct.Struct(f"<{code}") for size, code in ((1, "B"), (2, "h"), (4, "i"), (8, "q"))
}


class MisplacedError(ValueError):
    """Something stands outside of the bytes."""


class Table:
    """One table."""

    def __init__(self, data: bytes, position: int) -> None:
        """Begin at ``position``.

        :raises MisplacedError: there is none.
        """
        self._data = data
        self._position = position
        self._vtable = position - _scalar(data, position, 4)
        self._size = _unsigned(data, self._vtable, 2)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """Return the table that bytes begin with.

        :raises MisplacedError: there is none.
        """
        return cls(data, _unsigned(data, 0, 4))

    def whole_number(self, field: int, size: int, default: int = 0) -> int:
        """Return a whole number of ``size`` bytes; bytes are unsigned.

        :raises MisplacedError: it stands outside of the bytes.
        """
        position = self._position_of(field)
        return default if position is None else _scalar(self._data, position, size)

    def table(self, field: int) -> Table | None:
        """Return another table.

        :raises MisplacedError: it stands outside of the bytes.
        """
        position = self._position_of(field)
        if position is None:
            return None
        return Table(self._data, position + _unsigned(self._data, position, 4))

    def text(self, field: int) -> str:
        """Return a text, empty where there is none.

        :raises MisplacedError: it stands outside of the bytes, or is not UTF-8.
        """
        begin, length = self.vector(field, 1)
        try:
            return self._data[begin : begin + length].decode()
        except UnicodeDecodeError:
            raise MisplacedError("a text is not UTF-8") from None

    def tables(self, field: int) -> list[Table]:
        """Return a vector of tables.

        :raises MisplacedError: one stands outside of the bytes.
        """
        begin, length = self.vector(field, 4)
        return [
            Table(self._data, position + _unsigned(self._data, position, 4))
            for position in range(begin, begin + 4 * length, 4)
        ]

    def numbers(self, field: int, size: int = 1) -> list[tuple[int, ...]]:
        """Return a vector of structs of ``size`` numbers of eight bytes.

        :raises MisplacedError: it stands outside of the bytes.
        """
        begin, length = self.vector(field, 8 * size)
        return list(struct.iter_unpack(f"<{size}q", self._data[begin : begin + 8 * size * length]))

    def vector(self, field: int, size: int) -> tuple[int, int]:
        """Return where a vector begins and how many elements it has, each of ``size`` bytes.

        :raises MisplacedError: it does not lie within the bytes.
        """
        position = self._position_of(field)
        if position is None:
            return 0, 0
        begin = position + _unsigned(self._data, position, 4)
        length = _unsigned(self._data, begin, 4)
        if begin + 4 + size * length > len(self._data):
            raise MisplacedError("a vector is longer than what holds it")
        return begin + 4, length

    def _position_of(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._size:
            return None
        offset = _unsigned(self._data, self._vtable + slot, 2)
        return self._position + offset if offset else None


def _scalar(data: bytes, position: int, size: int) -> int:
    if position < 0 or position + size > len(data):
        raise MisplacedError("something stands outside of what holds it")
    (number,) = _SCALARS[size].unpack_from(data, position)
    return int(number)


def _unsigned(data: bytes, position: int, size: int) -> int:
    return _scalar(data, position, size) & ((1 << (8 * size)) - 1)
