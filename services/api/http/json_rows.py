"""Columns as a JSON list of objects.

Each column is encoded by itself, as a piece for each row; what comes between two pieces, and all
cells of a column that are alike, are the same for each row. So nothing is built of a row but its
text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec

from services.api.http.columns import Column, Instants, Numbers, Table, Words

_encode = msgspec.json.encode


def parts(tables: Iterable[Table]) -> Iterator[bytes]:
    """Encode the parts of a table, in order."""
    lead = b"["
    for table in tables:
        yield lead + _rows(table)
        lead = b","
    yield b"]" if lead == b"," else b"[]"


def _rows(table: Table) -> bytes:
    pieces: list[Iterable[bytes]] = []
    between = b""
    lead = b"{"
    for name, column in table.columns.items():
        between += lead + _encode(name) + b":"
        lead = b","
        encoded = _pieces(column)
        if isinstance(encoded, bytes):
            between += encoded
            continue
        pieces += [repeat(between), encoded]
        between = b""
    rows = zip(*pieces, repeat(between + b"},", len(table)), strict=False)
    return b"".join(chain.from_iterable(rows))[:-1]


def _pieces(column: Column) -> bytes | Sequence[bytes]:
    """Encode the cells of a column; bytes: all of them are alike."""
    if isinstance(column, Words):
        return _chosen([_encode(word) for word in column.words], column.index)
    if isinstance(column, Instants):
        return _chosen([b'"%b"' % text.encode() for text in column.texts()], column.index)
    if isinstance(column, Numbers):
        return _numbers(column)
    return [_encode(cell) for cell in column.cells()]


def _chosen(pieces: Sequence[bytes], index: Any) -> bytes | Sequence[bytes]:
    first = int(index[0])
    if (index == first).all():
        return pieces[first]
    return [pieces[i] for i in index.tolist()]


def _numbers(column: Numbers) -> bytes | Sequence[bytes]:
    values, known = column.values, column.known
    if known is not None and not known.any():
        return b"null"
    if (known is None or known.all()) and (values == values[0]).all():
        return _encode(values[0].item())
    # numbers have no comma, so the list of them is their pieces
    return _encode(column.cells())[1:-1].split(b",")
