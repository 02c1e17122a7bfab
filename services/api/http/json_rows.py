"""Columns as a JSON list of objects.

Each column is written by itself, as a piece for each row, and the pieces are joined: nothing is
built of a row but its text. What is the same in each row, names and cells that are all alike, is
written once; so is each word of a column that chooses from few, and what columns that choose alike,
a facility and its source, have between them is one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Instants, Numbers, Table, Words

_encode = msgspec.json.encode

#: Between two objects of the list.
_COMMA: Final = b","


class _Pieces(Protocol):
    """A piece of text for each row."""

    def written(self, rows: slice) -> list[bytes]:
        """Write those of some rows."""


def parts(table: Table, rows: int) -> Iterator[bytes]:
    """Encode a table in order, so many rows at a time."""
    if not len(table):
        yield b"[]"
        return
    lead, columns = _layout(table)
    begin = b"["
    for first in range(0, len(table), rows):
        yield _joined(columns, slice(first, min(first + rows, len(table))), begin, lead)
        begin = _COMMA
    yield b"]"


def _joined(columns: Sequence[_Pieces], rows: slice, begin: bytes, lead: bytes) -> bytes:
    """Join the pieces of some rows after ``begin``; no row follows the last one."""
    pieces = [b""] * ((rows.stop - rows.start) * len(columns))
    for place, column in enumerate(columns):
        pieces[place :: len(columns)] = column.written(rows)
    pieces[0] = begin + lead + pieces[0]
    pieces[-1] = pieces[-1].removesuffix(_COMMA + lead)
    return b"".join(pieces)


def _layout(table: Table) -> tuple[bytes, list[_Pieces]]:
    """Return what the first row begins with, and the pieces of each row from there to the next."""
    lead = text = b""
    columns: list[_Pieces] = []
    different: list[_Figures] = []
    for name, column in table.columns.items():
        text += (_COMMA if text or columns else b"{") + _encode(name) + b":"
        pieces = _pieces(column, different)
        if isinstance(pieces, bytes):
            text += pieces
            continue
        if columns:
            _append(columns, text)
        else:
            lead = text
        _append(columns, pieces)
        text = b""
    _append(columns, text + b"}" + _COMMA + lead)
    return lead, columns


def _append(columns: list[_Pieces], next_: _Pieces | bytes) -> None:
    """Add pieces to each row, or the same text, to the piece before where they follow from it."""
    last = columns[-1] if columns else None
    if isinstance(next_, bytes):
        if isinstance(last, _Choices):
            columns[-1] = _Choices([text + next_ for text in last.texts], last.index)
        else:
            columns.append(_Repeated(next_))
    elif isinstance(next_, _Choices) and isinstance(last, _Repeated):
        columns[-1] = _Choices([last.text + text for text in next_.texts], next_.index)
    elif isinstance(next_, _Choices) and isinstance(last, _Choices) and last.chooses_as(next_):
        both = zip(last.texts, next_.texts, strict=True)
        columns[-1] = _Choices([text + more for text, more in both], last.index)
    else:
        columns.append(next_)


def _pieces(column: Column, different: list[_Figures]) -> bytes | _Pieces:
    """Encode the cells of a column; bytes: all of them are alike.

    ``different``: the columns of numbers so far, of which many a mass is the same as another one.
    """
    if isinstance(column, Words):
        return _choices(column.index, column.words)
    if isinstance(column, Instants):
        return _choices(column.index, column.texts())
    if not isinstance(column, Numbers):
        return _CellByCell(column)
    if _is_constant(column):
        return _encode(column.part(slice(0, 1)).cells()[0])
    for other in different:
        if _is_same(column, other.column):
            return other
    different.append(_Figures(column))
    return different[-1]


def _choices(index: NDArray[np.int64], words: Sequence[object]) -> bytes | _Choices:
    is_used = np.zeros(len(words), dtype=np.bool_)
    is_used[index] = True
    texts = [b""] * len(words)
    for place in np.flatnonzero(is_used).tolist():
        texts[place] = _encode(words[place])
    used = set(texts) - {b""}
    return used.pop() if len(used) == 1 else _Choices(texts, index)


class _Choices:
    """Pieces of which there are few different ones."""

    def __init__(self, texts: list[bytes], index: NDArray[np.int64]) -> None:
        self.texts = texts
        self.index = index

    def chooses_as(self, other: _Choices) -> bool:
        """Return whether each row takes the same place of both."""
        return len(self.texts) == len(other.texts) and np.array_equal(self.index, other.index)

    def written(self, rows: slice) -> list[bytes]:
        """Write those of some rows."""
        chosen: list[bytes] = self._texts[self.index[rows]].tolist()
        return chosen

    @cached_property
    def _texts(self) -> NDArray[np.object_]:
        # NumPy takes from an array faster than Python does from a list
        return np.array(self.texts, dtype=np.object_)


class _Repeated:
    """The same piece for each row."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def written(self, rows: slice) -> list[bytes]:
        """Write those of some rows."""
        return [self.text] * (rows.stop - rows.start)


class _CellByCell:
    """Cells one by one."""

    def __init__(self, column: Column) -> None:
        self._column = column

    def written(self, rows: slice) -> list[bytes]:
        """Write those of some rows."""
        return [_encode(cell) for cell in self._column.part(rows).cells()]


class _Figures:
    """Numbers, none of which has a comma, so that the list of them is their pieces."""

    def __init__(self, column: Numbers) -> None:
        self.column = column
        #: columns that are the same ask for the same rows, one after the other
        self._newest: tuple[slice, list[bytes]] | None = None

    def written(self, rows: slice) -> list[bytes]:
        """Write those of some rows."""
        if self._newest is None or self._newest[0] != rows:
            self._newest = rows, self._encoded(self.column.part(rows))
        return self._newest[1]

    @staticmethod
    def _encoded(part: Numbers) -> list[bytes]:
        if _is_constant(part):
            return [_encode(part.part(slice(0, 1)).cells()[0])] * len(part)
        return _encode(part.cells())[1:-1].split(_COMMA)


def _is_constant(column: Numbers) -> bool:
    """Return whether all cells are null, or the same number."""
    known = column.known
    if known is not None and not known.all():
        return not known.any()
    return bool((column.values == column.values[0]).all())


def _is_same(column: Numbers, other: Numbers) -> bool:
    """Return whether columns are encoded to the same bytes."""
    return (
        column.values.dtype == other.values.dtype
        and column.values[0] == other.values[0]
        and np.array_equal(column.values, other.values)
        and (column.known is other.known or np.array_equal(column.known_rows(), other.known_rows()))
    )
