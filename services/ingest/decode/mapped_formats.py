"""Formats that are mapped as JSON is: how their bytes are read, and what goes without saying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.ingest.decode import binary_document, hj212, json_mapping, line_protocol
from services.ingest.decode.observation import Part

#: By format; None: as JSON, or as a number in text.
MAPPED: Final[Mapping[str, json_mapping.Read | None]] = {
    "json": None,
    "cbor": binary_document.cbor,
    "msgpack": binary_document.msgpack,
    "line-protocol": line_protocol.read,
    "hj212": hj212.read,
}

_DEFAULTS: Final[Mapping[str, Part]] = {
    "line-protocol": line_protocol.DEFAULTS,
    "hj212": hj212.DEFAULTS,
}


def with_defaults(wire_format: str, device: Part) -> Part:
    """Return a device's part with what its format states where its file does not."""
    return {**_DEFAULTS.get(wire_format, {}), **device}


def channels_with_defaults(wire_format: str, channels: Sequence[Part]) -> Sequence[Part]:
    """Return the parts of channels with what their format states where their file does not."""
    return hj212.with_letters(channels) if wire_format == "hj212" else channels
