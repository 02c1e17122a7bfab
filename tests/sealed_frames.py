"""Frames of HJ 212-2025 whose region is encrypted, made as a station makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.core.accounting.hj212.frames import check_code

KEY: Final = bytes(range(16))


def sealed(
    segment: str,
    key: bytes = KEY,
    *,
    code: Callable[[bytes], int] = check_code,
    counts_encrypted: bool = False,
) -> bytes:
    """Return the frame of a data segment, encrypted; its length is that of the text if not told."""
    head, region = segment.removesuffix("&&").split("CP=&&")
    blocks = len(region) // 16 * 16
    cipher = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()  # noqa: S305 - the standard's mode
    secret = ",".join(f"0x{byte:02X}" for byte in cipher.update(region[:blocks].encode()))
    sent = f"{head}CP=&&{{{secret}}}{region[blocks:]}&&"
    length = len(sent if counts_encrypted else segment)
    return f"##{length:04d}{sent}{code(segment.encode()):04X}\r\n".encode()
