"""Bytes -> a JSON document, or the reason why they are none."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

#: How gzip begins (RFC 1952 section 2.3.1).
_GZIP: Final = b"\x1f\x8b"


def read(payload: bytes) -> Any:
    """Return the document as dicts, lists, texts, numbers, booleans and None.

    NaN and Infinity, which are not JSON, are understood so that only their own values are refused.

    :raises UndecodableError: the bytes are not JSON in UTF-8, or an object has a key twice.
    """
    try:
        document = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return read_thoroughly(payload)
    if _may_repeat_keys(payload, document):
        read_thoroughly(payload)
    return document


def _may_repeat_keys(payload: bytes, document: Any) -> bool:
    """Whether what was read lacks something of the payload: of keys that repeat the last is left.

    Written again, a document has as many quotation marks as the payload unless a key was lost, or
    the payload writes one as an escape with its number.
    """
    objects = keys = 0
    if type(document) is dict:
        objects, keys = 1, len(document)
    elif type(document) is list and set(map(type, document)) == {dict}:
        objects, keys = len(document), sum(map(len, document))
    # so none lies within another, and none was lost
    if objects and payload.count(b"{") == objects and _has_all_keys(payload, keys):
        return False
    if b"\\u" in payload:
        return True
    try:
        return msgspec.json.encode(document).count(b'"') != payload.count(b'"')
    except (ValueError, OverflowError, RecursionError):
        return True


def _has_all_keys(payload: bytes, keys: int) -> bool:
    """Whether it is easily seen that a payload has no more ``keys`` than so many.

    Each key has a colon. Texts may hold more of them, but none stands right behind the quotation
    mark that ends a text. So those right behind a mark are as many as the keys, where no text has a
    mark within it and no key has white space behind it.
    """
    return payload.count(b":") == keys or (
        payload.count(b'":') == keys
        and b"\\" not in payload
        and b" :" not in payload
        and b"\t:" not in payload
        and b"\n:" not in payload
        and b"\r:" not in payload
    )


def read_thoroughly(payload: bytes) -> Any:
    """As :func:`read`, slower; what it says is wrong has its place."""
    try:
        return json.loads(payload.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        detail = f"the payload is not UTF-8 (byte {error.start})"
        if payload.startswith(_GZIP):
            detail = (
                "the payload is gzip; say compression: gzip for the device in its facility file"
            )
        raise UndecodableError(Reason.MALFORMED_JSON, detail) from None
    except json.JSONDecodeError as error:
        raise UndecodableError(
            Reason.MALFORMED_JSON, f"the payload is not JSON: {error.msg} (character {error.pos})"
        ) from None
    except RecursionError:
        raise UndecodableError(
            Reason.MALFORMED_JSON, "the payload is nested too deeply to be a reading"
        ) from None
    except ValueError:
        raise UndecodableError(
            Reason.MALFORMED_JSON, "the payload has an integer of thousands of digits"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise UndecodableError(
            Reason.REPEATED_KEY, f"the key {shown(twice)} stands twice in one object"
        )
    return members
