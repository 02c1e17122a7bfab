"""Bytes -> a JSON document, or the reason why they are none."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from services.ingest.decode.observation import UndecodableError
from services.ingest.reasons import Reason


def read(payload: bytes) -> Any:
    """The document as dicts, lists, texts, numbers, booleans and None.

    NaN and Infinity, which are not JSON, are understood so that only their own values are refused.

    :raises UndecodableError: the bytes are not JSON in UTF-8.
    """
    try:
        return msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return read_thoroughly(payload)


def read_thoroughly(payload: bytes) -> Any:
    """As :func:`read`, slower; what it says is wrong has its place."""
    try:
        return json.loads(payload.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UndecodableError(
            Reason.MALFORMED_JSON, f"the payload is not UTF-8 (byte {error.start})"
        ) from None
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
