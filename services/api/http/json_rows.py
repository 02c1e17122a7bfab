"""Columns as a JSON list of objects.

Each column is encoded by itself, as a piece for each row; what comes between two pieces, and all
cells of a column that are alike, are the same for each row and end each piece. So nothing is built
of a row but its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np

from services.api.http.columns import Column, Instants, Numbers, Table, Words

_encode = msgspec.json.encode

#: Stands in no JSON of one line.
_BREAK: Final = b"\n"

#: The cells of a column as JSON, each followed by the same bytes.
_Pieces = Callable[[bytes], list[bytes]]


def parts(tables: Iterable[Table]) -> Iterator[bytes]:
    """Encode the parts of a table, in order."""
    lead = b"["
    for table in tables:
        yield _rows(table, lead)
        lead = b","
    yield b"]" if lead == b"," else b"[]"


def _rows(table: Table, begin: bytes) -> bytes:
    """Encode rows, with commas between them."""
    numbers = _EncodedNumbers()
    #: what is written of each row before the first column that differs from row to row, and after
    #: each of them
    between = [b"{"]
    differing: list[_Pieces] = []
    for name, column in table.columns.items():
        between[-1] += (b"" if between == [b"{"] else b",") + _encode(name) + b":"
        pieces = numbers.pieces(column) if isinstance(column, Numbers) else _pieces(column)
        if isinstance(pieces, bytes):
            between[-1] += pieces
        else:
            differing.append(pieces)
            between.append(b"")
    lead, *after = between
    if not differing:
        return begin + b",".join([lead + b"}"] * len(table))
    after[-1] += b"}," + lead
    columns = [pieces(end) for pieces, end in zip(differing, after, strict=True)]
    # no row follows the last one
    columns[-1][-1] = columns[-1][-1].removesuffix(b"," + lead)
    return b"".join(chain((begin, lead), chain.from_iterable(zip(*columns, strict=True))))


def _pieces(column: Column) -> bytes | _Pieces:
    """Encode the cells of a column; bytes: all of them are alike."""
    if isinstance(column, Words):
        words, first = column.words, column.index[0]
        if (column.index == first).all():
            return _encode(words[first])
        return lambda end: _chosen([_encode(word) + end for word in words], column.index)
    if isinstance(column, Instants):
        if (column.index == column.index[0]).all():
            return _encode(column.cells()[0])
        return lambda end: _chosen(column.written(b'"', b'"' + end), column.index)
    return lambda end: [_encode(cell) + end for cell in column.cells()]


def _chosen(pieces: list[bytes], index: Any) -> list[bytes]:
    if len(pieces) == index.size and (index == np.arange(index.size)).all():
        return pieces
    return [pieces[i] for i in index.tolist()]


class _EncodedNumbers:
    """Encodes columns of numbers; many a mass is the same as another one."""

    def __init__(self) -> None:
        self._encoded: list[tuple[Numbers, bytes]] = []

    def pieces(self, column: Numbers) -> bytes | _Pieces:
        """Do as :func:`_pieces` does."""
        values, known = column.values, column.known
        if known is not None and not known.any():
            return b"null"
        if (known is None or known.all()) and (values == values[0]).all():
            return _encode(values[0].item())
        for other, encoded in self._encoded:
            if _is_same(column, other):
                return partial(_ended, encoded)
        # numbers have no comma, so the list of them is their pieces
        encoded = _encode(column.cells())[1:-1]
        self._encoded.append((column, encoded))
        return partial(_ended, encoded)


def _is_same(column: Numbers, other: Numbers) -> bool:
    """Return whether columns are encoded to the same bytes."""
    return (
        column.values.dtype == other.values.dtype
        and column.values[0] == other.values[0]
        and np.array_equal(column.values, other.values)
        and (column.known is other.known or np.array_equal(column.known_rows(), other.known_rows()))
    )


def _ended(encoded: bytes, end: bytes) -> list[bytes]:
    return (encoded.replace(b",", end + _BREAK) + end).split(_BREAK)
