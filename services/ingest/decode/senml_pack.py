"""Bytes -> the records of a SenML pack (RFC 8428), JSON (section 5) or CBOR (section 6)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import cbor2

from services.ingest.decode import json_document
from services.ingest.decode.observation import MAX_VALUES, UndecodableError
from services.ingest.quarantine.reasons import Reason

#: CBOR label -> JSON label (RFC 8428 section 6, table 4).
_LABELS: Final[Mapping[int, str]] = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}

#: A pack is an array: the major type of the first byte (RFC 8949 section 3.1). No JSON text begins
#: with one of these bytes.
_CBOR_ARRAY: Final = range(0x80, 0xA0)

#: An array of maps of plain values, or of decimal fractions: a tag and an array more.
_DEEPEST: Final = 4


def read(payload: bytes, limit: int | None = MAX_VALUES) -> list[dict[str, Any]]:
    """Return the records as sent, with the labels of JSON; what fields hold is not looked at.

    ``limit``: how many there may be; None: any number.

    :raises UndecodableError: the bytes are no pack.
    """
    is_cbor = bool(payload) and payload[0] in _CBOR_ARRAY
    pack = _cbor(payload) if is_cbor else json_document.read(payload)
    if not isinstance(pack, list):
        raise UndecodableError(Reason.MALFORMED_SENML, "the payload is not an array of records")
    if limit is not None and len(pack) > limit:
        raise UndecodableError(Reason.TOO_MANY_VALUES, f"the pack has {len(pack)} records")
    for record in pack:
        if not isinstance(record, dict):
            raise UndecodableError(Reason.MALFORMED_SENML, "a record of the pack is not an object")
    return [{_label(key): field for key, field in record.items()} for record in pack]


def _label(key: Any) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        key = _LABELS.get(key)
    # a key that is neither is a field that is not recognized, which is to be ignored (section 4.4)
    return key if isinstance(key, str) else ""


def _cbor(payload: bytes) -> Any:
    stream = io.BytesIO(payload)
    try:
        pack = cbor2.CBORDecoder(
            stream,
            tag_hook=_refuse,
            semantic_decoders=_NO_TAGS,
            max_depth=_DEEPEST,
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        detail = " ".join(str(error).split())[:100]
        raise UndecodableError(
            Reason.MALFORMED_SENML, f"the payload is not CBOR of SenML: {detail}"
        ) from None
    if stream.read(1):
        raise UndecodableError(Reason.MALFORMED_SENML, "more bytes follow the pack")
    return pack


def _refuse(*_: Any) -> NoReturn:
    raise ValueError("SenML knows no tags but those of numbers")


#: What cbor2 would otherwise turn into regular expressions, addresses, shared and cyclic values.
#: Left are integers of any size (tags 2 and 3) and decimal fractions (4; RFC 8428 section 6).
_NO_TAGS: Final = dict.fromkeys(
    (0, 1, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse,
)
