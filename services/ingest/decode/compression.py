"""Payloads that are compressed: unpacked within the bound that payloads have, whatever they say."""

from __future__ import annotations

import zlib
from typing import Final

from services.ingest.decode.observation import (
    TOO_LARGE_BYTES,
    Decoded,
    Decoder,
    UndecodableError,
)
from services.ingest.quarantine.reasons import Reason

#: To zlib: the header and trailer of gzip (RFC 1952) stand around the data.
_GZIP: Final = 16 + zlib.MAX_WBITS


def unpacked(decode: Decoder) -> Decoder:
    """Return a decoder of what ``decode`` decodes, compressed with gzip."""

    def of_packed(payload: bytes, received_us: int) -> Decoded:
        return decode(gunzip(payload), received_us)

    return of_packed


def gunzip(payload: bytes) -> bytes:
    """Return what was packed.

    :raises UndecodableError: it is no gzip, or too much.
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        data = unpacker.decompress(payload, TOO_LARGE_BYTES)
    except zlib.error:
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, "the payload is not gzip") from None
    if len(data) >= TOO_LARGE_BYTES:
        detail = f"unpacked, the message has {TOO_LARGE_BYTES} bytes or more"
        raise UndecodableError(Reason.TOO_LARGE, detail)
    if not unpacker.eof:
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, "the payload is gzip that was cut off")
    if unpacker.unused_data:
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, "more bytes follow the gzip data")
    return data
