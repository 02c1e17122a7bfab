"""Bodies that are compressed with gzip, unpacked within a bound, whatever they say."""

from __future__ import annotations

import zlib
from typing import Final

from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError

#: To zlib: the header and trailer of gzip (RFC 1952) stand around the data.
_GZIP: Final = 16 + zlib.MAX_WBITS


def unpacked(body: bytes, limit: int) -> bytes:
    """Return what a body holds; a client may send several members of gzip, one after the other.

    :raises TooLargeBodyError: it holds more than ``limit`` bytes.
    :raises UnusableBodyError: it is no gzip.
    """
    parts: list[bytes] = []
    left = limit
    while body:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            part = unpacker.decompress(body, left + 1)
        except zlib.error:
            raise UnusableBodyError("the body is not gzip, as Content-Encoding says") from None
        left -= len(part)
        if left < 0:
            raise TooLargeBodyError(
                f"unpacked, the body has more than {limit} bytes; send less at once"
            )
        if not unpacker.eof:
            raise UnusableBodyError("the body is gzip that was cut off; send all of it")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)
