"""Numbers packed into bytes, as gateways hand on registers and radio frames.

IEEE 754 and two's complement; 16 bits a register, the order of their bytes and that of the
registers each big or little endian, as in the Modbus Application Protocol V1.1b3 and in the meters
that do otherwise. Digits are of four bits, as EN 13757-3 has them: F for the first one is a minus.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import Reader

#: By ``type`` of the facility file: size in bytes, and what struct calls it; None: digits.
_TYPES: Final[Mapping[str, tuple[int, str | None]]] = {
    "int8": (1, "b"),
    "uint8": (1, "B"),
    "int16": (2, "h"),
    "uint16": (2, "H"),
    "int32": (4, "i"),
    "uint32": (4, "I"),
    "int64": (8, "q"),
    "uint64": (8, "Q"),
    "float32": (4, "f"),
    "float64": (8, "d"),
    "bcd8": (1, None),
    "bcd16": (2, None),
    "bcd32": (4, None),
    "bcd48": (6, None),
    "bcd64": (8, None),
}

#: More is not unpacked: 4096 bytes before a number of 8, written in hexadecimal, with spaces.
_LONGEST_TEXT: Final = 3 * 4104

_REGISTER_MAX: Final = 0xFFFF

#: What a payload holds -> the bytes. Raises ValueError.
_Bytes = Callable[[Any], bytes]


def packed_number(part: Mapping[str, Any]) -> Reader:
    """Return the reader of what ``bytes`` of a facility file describes.

    The reader raises ValueError for what is no such bytes, or too few.
    """
    size, code = _TYPES[part["type"]]
    name, begin = part["type"], part.get("from_byte", 0)
    places = _places(size, part.get("byte_order", "big"), part.get("word_order", "big"))
    unpack = _digits if code is None else _of_struct(code)
    content = _WRITTEN[part["written"]]

    def read(raw: Any) -> float | None:
        if raw is None:
            return None
        packed = content(raw)[begin : begin + size]
        if len(packed) < size:
            raise ValueError(
                f"{shown(raw)} has no {size} bytes for {name} from byte {begin} on: check type and"
                " from_byte of bytes in the facility file"
            )
        return unpack(bytes(packed[place] for place in places))

    return read


def _of_struct(code: str) -> Callable[[bytes], float]:
    unpack = struct.Struct(f">{code}").unpack
    return lambda packed: float(unpack(packed)[0])


def _digits(packed: bytes) -> float:
    """Return what binary coded decimal stands for.

    :raises ValueError: four bits of it are no digit.
    """
    text = packed.hex()
    sign, text = (-1, text[1:]) if text[0] == "f" and len(text) > 1 else (1, text)
    if not text.isdecimal():
        raise ValueError(
            f"{packed.hex()} is no bcd: each half of a byte is a digit; check type, from_byte and"
            " the order of bytes in the facility file"
        )
    return float(sign * int(text))


def _places(size: int, byte_order: str, word_order: str) -> tuple[int, ...]:
    """Return the place of each byte of a number, those that count most first."""
    places = list(range(size))
    words = [places[start : start + 2] for start in range(0, size, 2)]
    if word_order == "little":
        words.reverse()
    if byte_order == "little":
        words = [word[::-1] for word in words]
    return tuple(place for word in words for place in word)


@lru_cache(maxsize=64)
def _base64(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)


@lru_cache(maxsize=64)
def _hex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))


def _of_text(decode: Callable[[str], bytes], written: str) -> _Bytes:
    def content(raw: Any) -> bytes:
        if not isinstance(raw, str) or len(raw) > _LONGEST_TEXT:
            raise ValueError(f"{shown(raw)} is not bytes written as {written}")
        try:
            return decode("".join(raw.split()))
        except (ValueError, binascii.Error):
            raise ValueError(f"{shown(raw)} is not bytes written as {written}") from None

    return content


def _registers(raw: Any) -> bytes:
    numbers = raw if isinstance(raw, list) else [raw]
    if not all(type(number) is int and 0 <= number <= _REGISTER_MAX for number in numbers):
        raise ValueError(f"{shown(raw)} is not registers: whole numbers from 0 to {_REGISTER_MAX}")
    return struct.pack(f">{len(numbers)}H", *numbers)


_WRITTEN: Final[Mapping[str, _Bytes]] = {
    "base64": _of_text(_base64, "base64"),
    "hex": _of_text(_hex, "hex"),
    "registers": _registers,
}
