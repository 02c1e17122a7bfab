"""Regions that are encrypted, as the edition of 2025 asks for across the internet.

SM4 in ECB mode, 16 characters at a time, without padding: what is left over, fewer than 16, stays
in the clear. A region ``{0xE4,0x3E,...}g=N`` is nine blocks of ``DataTime=...-Fla`` and ``g=N``.
Check code and length are those of the segment before it was encrypted. Source: HJ 212-2025, annex
A.2, by public programs that cite it; its example is in the tests. SM4: GB/T 32907-2016.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

#: Returns the key of a station (MN), 16 bytes; None: there is none.
KeyOf = Callable[[str], bytes | None]

_BLOCK: Final = 16
_BYTES: Final = re.compile(rb"CP=&&\{(0[xX][0-9A-Fa-f]{2}(?:,0[xX][0-9A-Fa-f]{2})*)\}")


def opened(segment: bytes, key: bytes) -> bytes:
    """Return a segment that :func:`is_encrypted` in the clear; with another key it is no text."""
    # only where it is needed: it takes long to load
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    stated = _stated(segment)
    assert stated is not None  # noqa: S101 - it was looked at
    cipher = Cipher(algorithms.SM4(key), modes.ECB()).decryptor()  # noqa: S305 - the standard's mode
    sealed = bytes(int(item, 16) for item in stated[1].split(b","))
    return b"".join(
        (
            segment[: stated.start()],
            b"CP=&&",
            cipher.update(sealed),
            cipher.finalize(),
            segment[stated.end() :],
        )
    )


def is_encrypted(segment: bytes) -> bool:
    """Whether the region of a data segment is whole encrypted blocks, and what is left over."""
    return _stated(segment) is not None


def plain_length(segment: bytes) -> int:
    """Return how long an encrypted data segment is when it is decrypted."""
    stated = _stated(segment)
    if stated is None:
        return len(segment)
    return len(segment) - len(stated[0]) + len(b"CP=&&") + stated[1].count(b",") + 1


def _stated(segment: bytes) -> re.Match[bytes] | None:
    match = _BYTES.search(segment)
    return match if match is not None and (match[1].count(b",") + 1) % _BLOCK == 0 else None
