"""A few numbers, each in as many bits as the largest of them needs.

What pcodec says of a column before its numbers takes 20 to 60 bytes, which is little of a day that
has thousands of them, and more than all the numbers of a day that has 24.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

#: Beyond so many numbers pcodec is always smaller, or nearly; up to so many it never is, or nearly.
FEW: Final = 400
VERY_FEW: Final = 32


def width_of(numbers: Integers) -> int:
    """Return the bits that the largest of numbers needs, taken as unsigned; 0: all are 0."""
    return int(numbers.view(np.uint64).max(initial=0)).bit_length()


def pack(numbers: Integers, width: int) -> bytes:
    """Pack numbers, taken as unsigned, of ``width`` bits each."""
    shifts = np.arange(width, dtype=np.uint64)
    bits = (numbers.view(np.uint64)[:, None] >> shifts) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8)).tobytes()


def unpack(packed: bytes, size: int, width: int) -> Integers:
    """Return what :func:`pack` was given.

    :raises ValueError: it is shorter than that.
    """
    if len(packed) != length(size, width):
        raise ValueError("its numbers are cut off")
    bits: NDArray[Any] = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=size * width)
    shifts = np.arange(width, dtype=np.uint64)
    placed: NDArray[np.uint64] = bits.reshape(size, width).astype(np.uint64) << shifts
    numbers: Integers = placed.sum(axis=1, dtype=np.uint64).view(np.int64)
    return numbers


def length(size: int, width: int) -> int:
    """Return how many bytes that takes."""
    return (size * width + 7) // 8
