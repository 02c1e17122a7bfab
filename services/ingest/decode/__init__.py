"""Bytes -> observations: one pure module per wire format, chosen by device in the facility file.

No input makes a decoder raise anything but :class:`.observation.UndecodableError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.ingest.decode import native
from services.ingest.decode.observation import Decoder, DecoderFactory

_FORMATS: Mapping[str, DecoderFactory] = {"native": native.decoder}


class UnknownFormatError(ValueError):
    """The registry names a wire format that this version of ingest cannot decode."""


def decoder_for(wire_format: str, spec: Mapping[str, Any]) -> Decoder:
    """The decoder of a device.

    :raises UnknownFormatError: no module decodes this format.
    """
    factory = _FORMATS.get(wire_format)
    if factory is None:
        raise UnknownFormatError(
            f"format {wire_format!r} is not one of {', '.join(sorted(_FORMATS))}"
        )
    return factory(spec)
