"""Formats that are mapped as JSON is: how their bytes are read, and what goes without saying."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.ingest.decode import binary_document, json_mapping, line_protocol
from services.ingest.decode.observation import Part

#: By format; None: as JSON, or as a number in text.
MAPPED: Final[Mapping[str, json_mapping.Read | None]] = {
    "json": None,
    "cbor": binary_document.cbor,
    "msgpack": binary_document.msgpack,
    "line-protocol": line_protocol.read,
}


def with_defaults(wire_format: str, device: Part) -> Part:
    """Return a device's part with what its format states where its file does not."""
    return {**line_protocol.DEFAULTS, **device} if wire_format == "line-protocol" else device
