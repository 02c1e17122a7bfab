"""Bodies that are compressed with gzip, unpacked within a bound, whatever they say."""

from __future__ import annotations

import zlib
from typing import Final

from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError

#: To zlib: the header and trailer of gzip (RFC 1952) stand around the data.
_GZIP: Final = 16 + zlib.MAX_WBITS

#: Members of gzip in one body, and how much of it zlib is handed at once: it copies what it was
#: handed behind the end of a member, so that a body of nothing but ends would be copied for each.
_MEMBERS: Final = 10_000
_PIECE_BYTES: Final = 1 << 14


def unpacked(body: bytes, limit: int) -> bytes:
    """Return what a body holds; a client may send several members of gzip, one after the other.

    :raises TooLargeBodyError: it holds more than ``limit`` bytes.
    :raises UnusableBodyError: it is no gzip, or of too many members.
    """
    packed = memoryview(body)
    parts: list[bytes] = []
    left, begin, members = limit, 0, 0
    while begin < len(packed):
        members += 1
        if members > _MEMBERS:
            raise UnusableBodyError(
                f"the body is gzip of more than {_MEMBERS} members; compress it as one"
            )
        unpacker = zlib.decompressobj(_GZIP)
        while not unpacker.eof:
            piece = packed[begin : begin + _PIECE_BYTES]
            if not piece:
                raise UnusableBodyError("the body is gzip that was cut off; send all of it")
            try:
                part = unpacker.decompress(piece, left + 1)
            except zlib.error:
                raise UnusableBodyError("the body is not gzip, as Content-Encoding says") from None
            left -= len(part)
            if left < 0:
                raise TooLargeBodyError(
                    f"unpacked, the body has more than {limit} bytes; send less at once"
                )
            parts.append(part)
            begin += len(piece)
        begin -= len(unpacker.unused_data)
    return b"".join(parts)
