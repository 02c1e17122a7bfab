"""Columns to bytes and back, every bit kept.

A blob begins with its version and a checksum of what follows, which is looked at before anything is
unpacked: what is damaged is told, never taken for data.

A column is a constant, an even rise, or what pcodec makes of it, whichever is first to do. Integers
are divided by what all of them differ by a multiple of, such as 1000 microseconds. Floats are
packed as such, which finds decimal steps, and as integers where that lost a bit. A few numbers are
packed by the bit (:mod:`.bits`), floats as decimals, where that is smaller.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from services.core.store.packing import bits

Integers = NDArray[np.int64]

#: Version 1 had no bits and no decimals.
_VERSION: Final = 2
_KNOWN_VERSIONS: Final = (1, 2)
_HEAD: Final = struct.Struct("<BI")

_CONSTANT, _RISE, _PACKED, _FLOATS, _BITS, _DECIMALS = range(6)
_ABSOLUTE, _RELATIVE = range(2)

#: How integers differ is known beforehand; to try everything takes ten times as long.
RISING: Final = ChunkConfig(
    compression_level=6,
    mode_spec=ModeSpec.classic(),
    delta_spec=DeltaSpec.try_consecutive(1),
)
_SCATTERED: Final = ChunkConfig(
    compression_level=6, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.no_op()
)
#: The default: higher levels take several times as long for a few per cent.
_VALUES: Final = ChunkConfig()
#: Values that stay for a while, such as what a reading spreads over minutes: a fifth of the time
#: and half of the bytes of the default.
_STEPS: Final = ChunkConfig(
    compression_level=2,
    mode_spec=ModeSpec.classic(),
    delta_spec=DeltaSpec.try_consecutive(1),
)
#: So many numbers to a change, at least, are values that stay.
_STAY: Final = 4

#: Decimals of which floats are looked for, and below what integers are floats to the bit.
_MOST_DECIMALS: Final = 6
_EXACT: Final = 2.0**53


class DamagedError(ValueError):
    """What was packed is damaged."""


@contextmanager
def unpacking() -> Iterator[None]:
    """Tell whatever fails while columns are unpacked as damage."""
    try:
        yield
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"its columns cannot be unpacked ({error})") from error


def check_lengths(size: int, columns: Iterable[NDArray[Any]]) -> None:
    """Check that columns are of one length.

    :raises DamagedError: they are not.
    """
    if any(column.size != size for column in columns):
        raise DamagedError("its columns are of different lengths")


def check_packed(*, is_same: bool) -> None:
    """Check that what was packed comes back: else nothing is to be removed.

    :raises DamagedError: it does not.
    """
    if not is_same:
        raise DamagedError("what was packed does not come back as it was")


def closed(*columns: bytes) -> bytes:
    """Put columns together into one blob."""
    body = b"".join(columns)
    return _HEAD.pack(_VERSION, zlib.crc32(body)) + body


def integers(values: NDArray[Any], config: ChunkConfig = _SCATTERED) -> bytes:
    """Pack integers, one or more of them or none."""
    values = np.ascontiguousarray(values, dtype=np.int64)
    first = int(values[0]) if values.size else 0
    # differences wrap around like the integers themselves
    above = values - np.int64(first)
    if not above.any():
        return bytes([_CONSTANT]) + _varints(values.size, first)
    step = np.int64(above[1])
    if np.all(above[1:] - above[:-1] == step):
        return bytes([_RISE]) + _varints(values.size, first, int(step))
    divisor = max(1, int(np.gcd.reduce(above)))
    multiples = above // divisor
    if values.size <= bits.VERY_FEW:
        return _as_bits(first, divisor, multiples)
    packed: bytes = standalone.simple_compress(multiples, config)
    column = bytes([_PACKED]) + _varints(values.size, first, divisor, len(packed)) + packed
    if values.size > bits.FEW:
        return column
    return min(column, _as_bits(first, divisor, multiples), key=len)


def _as_bits(first: int, divisor: int, multiples: Integers) -> bytes:
    """Pack multiples above the first, which is 0, or their differences, whichever are narrower."""
    least, above = _above_least(multiples[1:])
    width, order = bits.width_of(above), 0
    least_step, steps = _above_least(np.diff(multiples))
    step_width = bits.width_of(steps)
    if step_width < width:
        least, above, width, order = least_step, steps, step_width, 1
    head = _varints(above.size, first, divisor, order, least, width)
    return bytes([_BITS]) + head + bits.pack(above, width)


def _above_least(numbers: Integers) -> tuple[int, Integers]:
    least = numbers.min()
    return int(least), numbers - least


def floats(values: NDArray[np.float64]) -> bytes:
    """Pack floats, bit for bit."""
    values = np.ascontiguousarray(values)
    words = values.view(np.int64)
    if values.size == 0 or np.all(words == words[0]):
        return integers(words)
    column = _decimals(values) if values.size <= bits.FEW else None
    if column is not None and values.size <= bits.VERY_FEW:
        return column
    stays = np.count_nonzero(np.diff(words)) * _STAY <= words.size
    packed: bytes = standalone.simple_compress(values, _STEPS if stays else _VALUES)
    if column is not None and len(column) <= len(packed):
        return column
    unpacked = standalone.simple_decompress(packed)
    if unpacked is not None and np.array_equal(_words(unpacked, values.size), words):
        return bytes([_FLOATS]) + _varints(values.size, len(packed)) + packed
    return integers(words)


def _decimals(values: NDArray[np.float64]) -> bytes | None:
    """Pack floats as integers of as few decimals as give them to the bit; None: there are none."""
    if not np.all(np.abs(values) < _EXACT / 10**_MOST_DECIMALS):
        return None
    for decimals in range(_MOST_DECIMALS + 1):
        whole = np.rint(values * 10.0**decimals)
        if np.array_equal((whole / 10.0**decimals).view(np.int64), values.view(np.int64)):
            # the integer 0 has no sign
            if np.any(np.signbit(values) & (whole == 0)):
                return None
            return bytes([_DECIMALS, decimals]) + integers(whole.astype(np.int64))
    return None


def _words(values: NDArray[Any], size: int) -> Integers:
    if values.dtype != np.float64 or values.size != size:
        raise DamagedError("a column is not what it says it is")
    return values.view(np.int64)


def later(instants: Integers, than: Integers) -> bytes:
    """Pack instants as they are or as how much later than others, whichever is smaller."""
    absolute, relative = integers(instants, RISING), integers(instants - than)
    if len(relative) < len(absolute):
        return bytes([_RELATIVE]) + relative
    return bytes([_ABSOLUTE]) + absolute


def text(word: str) -> bytes:
    """Pack a short word, such as a name."""
    sent = word.encode()
    return _varints(len(sent)) + sent


def _varints(*numbers: int) -> bytes:
    """Write signed numbers of 64 bits in as many bytes as they need, seven bits in each."""
    written = bytearray()
    for number in numbers:
        rest = (number << 1) ^ (number >> 63)
        while rest > 0x7F:
            written.append(rest & 0x7F | 0x80)
            rest >>= 7
        written.append(rest)
    return bytes(written)


class Source:
    """Takes the columns out of a blob, one after the other."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _HEAD.size:
            raise DamagedError("it is cut off")
        version, checksum = _HEAD.unpack_from(blob)
        if version not in _KNOWN_VERSIONS:
            raise DamagedError(f"it is of version {version}, which is unknown here")
        if zlib.crc32(memoryview(blob)[_HEAD.size :]) != checksum:
            raise DamagedError("its checksum is wrong")
        self._blob = blob
        self._position = _HEAD.size

    def integers(self) -> Integers:
        """Take a column of integers."""
        return self._integers(self.byte())

    def skip(self) -> None:
        """Leave a column of integers out, without unpacking it."""
        kind = self.byte()
        size = self._number()
        self._number()
        if kind != _CONSTANT:
            self._number()
        if kind == _PACKED:
            length = self._number()
            self._position += length
        elif kind == _BITS:
            self._number()
            self._number()
            width = self._number()
            self._position += bits.length(size, width)

    def floats(self) -> NDArray[np.float64]:
        """Take a column of floats."""
        kind = self.byte()
        if kind == _DECIMALS:
            decimals = self.byte()
            return self.integers() / 10.0**decimals
        if kind != _FLOATS:
            return self._integers(kind).view(np.float64)
        size = self._number()
        return _words(self._unpacked(), size).view(np.float64)

    def flags(self, size: int) -> NDArray[np.bool_]:
        """Take a column of positions; return which of ``size`` they are."""
        flags = np.zeros(size, dtype=np.bool_)
        flags[self.integers()] = True
        return flags

    def later(self, than: Integers) -> Integers:
        """Take a column of instants that may be told by how much later than others they are."""
        relative = self.byte() == _RELATIVE
        instants = self.integers()
        return instants + than if relative else instants

    def text(self) -> str:
        """Take a word."""
        length = self._number()
        begins = self._position
        self._position += length
        return self._blob[begins : self._position].decode()

    def ends(self) -> None:
        """Check that all of it was taken."""
        if self._position != len(self._blob):
            raise DamagedError("its length is wrong")

    def _integers(self, kind: int) -> Integers:
        size, first = self._number(), self._number()
        if kind == _CONSTANT:
            return np.full(size, first, dtype=np.int64)
        factor = self._number()
        if kind == _BITS:
            above = self._multiples(size)
        elif kind == _RISE:
            above = np.arange(size, dtype=np.int64)
        else:
            above = self._unpacked()
            if kind != _PACKED or above.dtype != np.int64 or above.size != size:
                raise DamagedError("a column is not what it says it is")
        # in place: of a day of seconds each array anew costs as much as to unpack it
        if factor != 1:
            above *= np.int64(factor)
        above += np.int64(first)
        return above

    def _multiples(self, size: int) -> Integers:
        """Take what :func:`_as_bits` packed, with the first, which is 0."""
        order, least, width = self._number(), self._number(), self._number()
        ends = self._position + bits.length(size, width)
        above = bits.unpack(self._blob[self._position : ends], size, width)
        self._position = ends
        numbers = np.zeros(size + 1, dtype=np.int64)
        numbers[1:] = above + np.int64(least)
        return np.cumsum(numbers) if order else numbers

    def _unpacked(self) -> NDArray[Any]:
        length = self._number()
        packed = self._blob[self._position : self._position + length]
        self._position += length
        unpacked: NDArray[Any] | None = standalone.simple_decompress(packed)
        if unpacked is None:
            raise DamagedError("a column is empty")
        return unpacked

    def byte(self) -> int:
        """Take a byte."""
        self._position += 1
        return self._blob[self._position - 1]

    def _number(self) -> int:
        # of a day's row there are a dozen, mostly of one byte
        blob, position = self._blob, self._position
        byte = blob[position]
        number, shift = byte & 0x7F, 7
        while byte > 0x7F:
            position += 1
            byte = blob[position]
            number |= (byte & 0x7F) << shift
            shift += 7
        self._position = position + 1
        return (number >> 1) ^ -(number & 1)
