"""Bytes of an Arrow IPC stream -> columns of numbers, texts and times, batch by batch.

Own code, because the readers that there are trust what they read: one changed byte, and nanoarrow
ends the process. It knows what tables of readings have, and refuses the rest. Source: Arrow
columnar format 1.5, "Encapsulated message format", with Schema.fbs and Message.fbs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.ingest.bodies.flat_buffers import MisplacedError, Table
from services.ingest.files.rows import Bools

_SIGN: Final = 0xFFFFFFFF
_HEAD: Final = struct.Struct("<II")

_SCHEMA, _DICTIONARY_BATCH, _RECORD_BATCH = 1, 2, 3

#: Of the union Type.
_NULL, _INT, _FLOAT, _UTF8, _TIMESTAMP, _LARGE_UTF8, _UTF8_VIEW = 1, 2, 3, 5, 10, 20, 24
_OF_TEXTS: Final = frozenset({_UTF8, _LARGE_UTF8, _UTF8_VIEW})
_BINARY, _LARGE_BINARY = 4, 19
#: Bool, Decimal, Date, Time, Interval, FixedSizeBinary, Duration: of a column beside.
_OF_TWO_BUFFERS: Final = frozenset({6, 7, 8, 9, 11, 15, 18})

#: Microseconds of one tick of a timestamp, as a fraction, by its unit.
TICKS: Final = ((1_000_000, 1), (1000, 1), (1, 1), (1, 1000))

_FLOATS: Final = ("<f2", "<f4", "<f8")


class UnreadableError(ValueError):
    """The bytes are no stream that is understood; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """A column of numbers."""

    values: NDArray[Any]
    known: Bools


@dataclass(frozen=True, kw_only=True, slots=True)
class Instants:
    """A column of times, in ticks since 1970."""

    ticks: NDArray[np.int64]
    known: Bools
    #: microseconds of a tick, as a fraction
    tick_us: tuple[int, int]
    #: it names a time zone, so that the ticks are UTC
    is_utc: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """A column of texts."""

    texts: Sequence[str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Other:
    """A column of something else."""


Column = Numbers | Instants | Texts | Other


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """What a column is."""

    name: str
    kind: int
    #: of the column's type, see Schema.fbs
    type: Table | None
    #: of its dictionary; None: it has none
    dictionary: int | None = None
    index: Table | None = None


@dataclass(kw_only=True, slots=True)
class _Stream:
    fields: list[_Field] = field(default_factory=list)
    dictionaries: dict[int, list[str | None]] = field(default_factory=dict)


def batches(data: bytes, *, max_rows: int) -> Iterator[tuple[int, dict[str, Column]]]:
    """Yield the number of rows and the columns of each record batch; first none, of no rows.

    ``max_rows``: a batch that says more is not read; it is yielded without columns.

    :raises UnreadableError: the bytes are no such stream.
    """
    stream = _Stream()
    try:
        for kind, header, body in _messages(data):
            if kind == _SCHEMA:
                stream.fields = [_field(part) for part in header.tables(1)]
                if header.whole_number(0, 2):
                    raise UnreadableError("its numbers have the highest byte first")
                yield 0, {one.name: Other() for one in stream.fields}
            elif kind == _DICTIONARY_BATCH:
                _take_dictionary(stream, header, body, max_rows)
            elif kind == _RECORD_BATCH:
                yield _batch(stream, header, body, max_rows)
    except MisplacedError as error:
        raise UnreadableError(str(error)) from None
    if not stream.fields:
        raise UnreadableError("it has no schema")


def _messages(data: bytes) -> Iterator[tuple[int, Table, bytes]]:
    position = 0
    while position < len(data):
        if position + _HEAD.size > len(data):
            raise UnreadableError("it is cut off")
        sign, size = _HEAD.unpack_from(data, position)
        if sign != _SIGN:
            raise UnreadableError("a message does not begin as it should")
        if not size:
            return
        begin = position + _HEAD.size
        message = Table.root(data[begin : begin + size])
        length = message.whole_number(3, 8)
        end = begin + size + length
        header = message.table(2)
        if length < 0 or end > len(data) or header is None:
            raise UnreadableError("it is cut off")
        yield message.whole_number(1, 1), header, data[begin + size : end]
        position = end


def _field(part: Table) -> _Field:
    encoding = part.table(4)
    if part.tables(5):
        raise UnreadableError(f"column {part.text(0)[:80]!r} is nested")
    return _Field(
        name=part.text(0),
        kind=part.whole_number(2, 1),
        type=part.table(3),
        dictionary=None if encoding is None else encoding.whole_number(0, 8),
        index=None if encoding is None else encoding.table(1),
    )


class _Buffers:
    """The buffers of a batch, in the order in which its columns take them."""

    def __init__(self, batch: Table, body: bytes) -> None:
        if batch.table(3) is not None:
            raise UnreadableError(
                "its buffers are compressed: write the stream without compression, and send it with"
                " Content-Encoding: gzip"
            )
        self._body = body
        self._nodes = iter(batch.numbers(1, 2))
        self._places = iter(batch.numbers(2, 2))
        self._variadic = iter(batch.numbers(4))

    def node(self) -> tuple[int, int]:
        """Length and number of nulls of the next column."""
        return _next(self._nodes)[:2]  # type: ignore[return-value]  # structs of two

    def variadic(self) -> int:
        """How many buffers of texts the next column has."""
        return _next(self._variadic)[0]

    def taken(self) -> bytes:
        """Return the next buffer."""
        offset, length = _next(self._places)
        if offset < 0 or length < 0 or offset + length > len(self._body):
            raise UnreadableError("a buffer stands outside of its message")
        return self._body[offset : offset + length]

    def numbers(self, dtype: str, length: int) -> NDArray[Any]:
        """Return the next buffer as numbers, ``length`` of them."""
        buffer = self.taken()
        size = np.dtype(dtype).itemsize * length
        if len(buffer) < size:
            raise UnreadableError("a buffer is shorter than its column")
        return np.frombuffer(buffer[:size], dtype)

    def known(self, length: int, nulls: int) -> Bools:
        """Return which rows have a value."""
        buffer = self.taken()
        if not nulls:
            return np.ones(length, dtype=np.bool_)
        if len(buffer) * 8 < length:
            raise UnreadableError("a buffer is shorter than its column")
        bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")
        return bits[:length].astype(np.bool_)


def _next(numbers: Iterator[tuple[int, ...]]) -> tuple[int, ...]:
    number = next(numbers, None)
    if number is None:
        raise UnreadableError("a batch has fewer columns than the schema")
    return number


def _batch(
    stream: _Stream, batch: Table, body: bytes, max_rows: int
) -> tuple[int, dict[str, Column]]:
    length = batch.whole_number(0, 8)
    if not 0 <= length <= max_rows:
        return length if length > 0 else max_rows + 1, {}
    buffers = _Buffers(batch, body)
    return length, {one.name: _column(stream, one, buffers, length) for one in stream.fields}


def _take_dictionary(stream: _Stream, header: Table, body: bytes, max_rows: int) -> None:
    number, batch = header.whole_number(0, 8), header.table(1)
    one = next((one for one in stream.fields if one.dictionary == number), None)
    if batch is None or one is None:
        raise UnreadableError("a dictionary is of no column")
    length = batch.whole_number(0, 8)
    if not 0 <= length <= max_rows:
        raise UnreadableError(f"a dictionary has {length} entries")
    column = _plain(one, _Buffers(batch, body), length)
    if not isinstance(column, Texts):
        raise UnreadableError(f"the dictionary of column {one.name[:80]!r} holds no texts")
    before = stream.dictionaries.get(number, []) if header.whole_number(2, 1) else []
    stream.dictionaries[number] = [*before, *column.texts]


def _column(stream: _Stream, one: _Field, buffers: _Buffers, rows: int) -> Column:
    if one.dictionary is None:
        return _plain(one, buffers, rows)
    length, nulls = _length(one, buffers, rows)
    known = buffers.known(length, nulls)
    places = buffers.numbers(_int(one.index), length).astype(np.int64)
    words = stream.dictionaries.get(one.dictionary, [])
    places = np.where(known, places, 0)
    if known.any() and (places.min() < 0 or places.max() >= len(words)):
        raise UnreadableError(f"column {one.name[:80]!r} names what its dictionary has not")
    return Texts(
        texts=[
            words[place] if is_known else None
            for place, is_known in zip(places.tolist(), known.tolist(), strict=True)
        ]
    )


def _length(one: _Field, buffers: _Buffers, rows: int) -> tuple[int, int]:
    length, nulls = buffers.node()
    if length != rows:
        raise UnreadableError(f"column {one.name[:80]!r} has another length than its batch")
    return length, nulls


def _plain(one: _Field, buffers: _Buffers, rows: int) -> Column:
    length, nulls = _length(one, buffers, rows)
    kind = one.kind
    if kind == _NULL:
        return Texts(texts=[None] * length)
    known = buffers.known(length, nulls)
    if kind == _INT:
        return Numbers(values=buffers.numbers(_int(one.type), length), known=known)
    if kind == _FLOAT:
        return Numbers(values=buffers.numbers(_float(one), length), known=known)
    if kind == _TIMESTAMP and one.type is not None:
        return _instants(one, one.type, buffers.numbers("<i8", length), known)
    if kind in _OF_TEXTS:
        return _texts_of(kind, buffers, known, length)
    for _ in range(_left_out(one)):
        buffers.taken()
    return Other()


def _instants(one: _Field, type_: Table, ticks: NDArray[np.int64], known: Bools) -> Instants:
    unit = type_.whole_number(0, 2)
    if unit not in range(len(TICKS)):
        raise UnreadableError(f"column {one.name[:80]!r} has times of no such unit")
    return Instants(ticks=ticks, known=known, tick_us=TICKS[unit], is_utc=bool(type_.text(1)))


def _float(one: _Field) -> str:
    precision = 0 if one.type is None else one.type.whole_number(0, 2)
    if precision not in range(len(_FLOATS)):
        raise UnreadableError(f"column {one.name[:80]!r} has floats of no such precision")
    return _FLOATS[precision]


def _texts_of(kind: int, buffers: _Buffers, known: Bools, length: int) -> Texts:
    if kind == _UTF8_VIEW:
        return _viewed_texts(buffers, known, length)
    return _texts(buffers, known, length, "<i8" if kind == _LARGE_UTF8 else "<i4")


def _left_out(one: _Field) -> int:
    """Return how many more buffers a column has that is not read."""
    if one.kind in _OF_TWO_BUFFERS:
        return 1
    if one.kind in {_BINARY, _LARGE_BINARY}:
        return 2
    raise UnreadableError(f"column {one.name[:80]!r} is of a type that readings have not")


def _int(type_: Table | None) -> str:
    width, is_signed = 32, 1
    if type_ is not None:
        width, is_signed = type_.whole_number(0, 4), type_.whole_number(1, 1)
    if width not in {8, 16, 32, 64}:
        raise UnreadableError(f"there are whole numbers of {width} bits")
    return f"<{'i' if is_signed else 'u'}{width // 8}"


def _texts(buffers: _Buffers, known: Bools, length: int, dtype: str) -> Texts:
    offsets = buffers.numbers(dtype, length + 1) if length else np.zeros(1, np.int64)
    if not length:
        buffers.taken()
    data = buffers.taken()
    if offsets[0] < 0 or offsets[-1] > len(data) or (np.diff(offsets) < 0).any():
        raise UnreadableError("texts stand outside of their buffer")
    ends = offsets.tolist()
    return _decoded(
        data[begin:end] if is_known else None
        for begin, end, is_known in zip(ends, ends[1:], known.tolist(), strict=False)
    )


def _viewed_texts(buffers: _Buffers, known: Bools, length: int) -> Texts:
    views = buffers.numbers("<i4", 4 * length).reshape(length, 4)
    number = buffers.variadic()
    if not 0 <= number <= length:
        raise UnreadableError("texts stand in more buffers than there are texts")
    parts = [buffers.taken() for _ in range(number)]
    raw: bytes = views.tobytes()

    def text(row: int) -> bytes:
        size, part, offset = int(views[row, 0]), int(views[row, 2]), int(views[row, 3])
        if 0 <= size <= 12:
            return raw[16 * row + 4 : 16 * row + 4 + size]
        if not 0 <= part < number or offset < 0 or not 0 < size <= len(parts[part]) - offset:
            raise UnreadableError("texts stand outside of their buffer")
        return parts[part][offset : offset + size]

    return _decoded(text(row) if is_known else None for row, is_known in enumerate(known.tolist()))


def _decoded(encoded: Iterator[bytes | None]) -> Texts:
    try:
        return Texts(texts=[None if text is None else text.decode() for text in encoded])
    except UnicodeDecodeError:
        raise UnreadableError("a text is not UTF-8") from None
