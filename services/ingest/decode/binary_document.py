"""CBOR (RFC 8949) and MessagePack -> a document as JSON would have it.

Keys that are integers become text, decimal fractions numbers, and times text or numbers. Tags and
extensions that would make anything else of a value are refused. Byte strings stay as they are: they
are no numbers.
"""

from __future__ import annotations

import io
import math
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

import cbor2
import msgspec

from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

#: Arrays and maps within each other; deeper is nobody's reading.
_DEEPEST: Final = 100

#: The tag that only says that this is CBOR (RFC 8949 section 3.4.6).
_SELF_DESCRIBED: Final = b"\xd9\xd9\xf7"

_LONGEST_DETAIL: Final = 100

#: Longer integers are taken as numbers of double precision: thousands of digits are no text.
_LONGEST_BITS: Final = 64


def cbor(payload: bytes) -> Any:
    """Return the document.

    :raises UndecodableError: the bytes are not one CBOR item, or a map has a key twice.
    """
    stream = io.BytesIO(payload.removeprefix(_SELF_DESCRIBED))
    try:
        decoder = cbor2.CBORDecoder(
            stream,
            tag_hook=_refuse_tag,
            semantic_decoders=_TAGS,
            max_depth=_DEEPEST,
            allow_duplicate_keys=False,
        )
        document = _plain(decoder.decode())
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise _malformed("CBOR", error) from None
    if stream.read(1):
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, "more bytes follow the CBOR item")
    return document


def msgpack(payload: bytes) -> Any:
    """Return the document; of a key that stands twice in a map the last counts.

    :raises UndecodableError: the bytes are not one MessagePack object.
    """
    try:
        return _plain(msgspec.msgpack.decode(payload, ext_hook=_refuse_extension))
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise _malformed("MessagePack", error) from None


def _malformed(form: str, error: Exception) -> UndecodableError:
    detail = " ".join(str(error).split())[:_LONGEST_DETAIL] or "it is nested too deeply"
    return UndecodableError(Reason.MALFORMED_PAYLOAD, f"the payload is not {form}: {detail}")


def _plain(node: Any, deeper: int = _DEEPEST) -> Any:
    if isinstance(node, dict | list) and not deeper:
        raise ValueError("it is nested too deeply")
    if isinstance(node, dict):
        members = {_key(key): _plain(value, deeper - 1) for key, value in node.items()}
        if len(members) < len(node):
            raise ValueError("a map has a key as a number and as text")
        return members
    if isinstance(node, list):
        return [_plain(value, deeper - 1) for value in node]
    if isinstance(node, Decimal) or (isinstance(node, int) and node.bit_length() > _LONGEST_BITS):
        return _number(node)
    if isinstance(node, datetime):
        return node.isoformat()
    if node is None or isinstance(node, str | bytes | int | float):
        return node
    if node is cbor2.undefined:
        return None
    raise ValueError(f"{type(node).__name__[:40]} is nothing that JSON has")


def _number(number: Decimal | int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def _key(key: Any) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str):
        raise ValueError(  # noqa: TRY004 - what a device sent
            f"a key is {shown(key)}, neither text nor an integer"
        )
    return key


def _refuse_tag(*_: Any) -> NoReturn:
    raise ValueError("it has a tag that is neither of a number nor of a time")


def _refuse_extension(code: int, _data: memoryview) -> NoReturn:
    raise ValueError(f"it has an extension of type {code}")


#: What cbor2 would make of these are regular expressions, addresses, shared and cyclic values. Left
#: to it are times (tags 0 and 1), integers of any size (2 and 3) and decimal fractions (4).
_TAGS: Final = dict.fromkeys(
    (5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse_tag,
)
