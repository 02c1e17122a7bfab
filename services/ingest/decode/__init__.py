"""Bytes -> observations: one pure module per wire format, chosen by device in the facility file.

- :mod:`.native`: tonne's own payload; what is not as it should be goes to :mod:`.native_forgiving`.
- :mod:`.json_mapping`: any JSON, with :mod:`.selection` (where a value stands) and
  :mod:`.timestamp` (when it was measured).
- :mod:`.binary_document`, :mod:`.line_protocol` and :mod:`.hj212`: what is mapped as JSON is, once
  it is read.
- :mod:`.fleet`: messages of many devices, by the id in each record.
- :mod:`.senml`: RFC 8428, with :mod:`.senml_pack` (its bytes).
- :mod:`.sparkplug`: what :mod:`services.ingest.sparkplug` hands over, with
  :mod:`.sparkplug_payload` (its bytes).
- :mod:`.p1`: telegrams of P1 ports; :mod:`.modbus`: registers, as
  :mod:`services.ingest.connections` has read them.
- :mod:`.compression`: around each of them.

No input makes a decoder raise anything but :class:`.observation.UndecodableError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from services.core.facility.beside import Beside
from services.core.facility.mapping_expression import MAX_STEPS
from services.ingest.decode import (
    compression,
    json_mapping,
    modbus,
    native,
    p1,
    senml,
    sparkplug,
)
from services.ingest.decode.mapped_formats import (
    MAPPED,
    channels_with_defaults,
    with_defaults,
)
from services.ingest.decode.observation import Decoder, DecoderFactory, Part

#: Those that say themselves what stands where.
_PLAIN: Final[Mapping[str, DecoderFactory]] = {
    "native": native.decoder,
    "senml": senml.decoder,
    "sparkplug": sparkplug.decoder,
    "p1": p1.decoder,
    "modbus": modbus.decoder,
}


class UnusableFormatError(ValueError):
    """The registry names a wire format, or a mapping, that this version of ingest cannot use."""


def decoder_for(
    wire_format: str,
    device: Part,
    channels: Sequence[Part],
    *,
    max_steps: int = MAX_STEPS,
    beside: Beside | None = None,
) -> Decoder:
    """Return the decoder of a device's messages at one topic.

    ``device`` and ``channels`` are the parts of the facility file; of the channels those whose
    values come at that topic. ``max_steps``: what the expressions of a mapping may cost for one
    message. ``beside``: what a mapping reads that stands beside the payload, to be taken of a
    message before it is decoded; None: nothing does.

    :raises UnusableFormatError: no module decodes this format, or the parts do not fit it.
    """
    factory = _PLAIN.get(wire_format)
    if wire_format in MAPPED:
        factory = partial(
            json_mapping.decoder, max_steps=max_steps, read=MAPPED[wire_format], beside=beside
        )
    if factory is None:
        raise UnusableFormatError(
            f"format {wire_format!r} is not one of {', '.join(sorted({*_PLAIN, *MAPPED}))}"
        )
    try:
        decode = factory(
            with_defaults(wire_format, device), channels_with_defaults(wire_format, channels)
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        detail = " ".join(str(error).split())[:200]
        raise UnusableFormatError(f"what the facility file says cannot be used: {detail}") from None
    return compression.unpacked(decode) if device.get("compression") == "gzip" else decode
