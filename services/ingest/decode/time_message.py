"""A message that is the time of those after it -> that time."""

from __future__ import annotations

from services.core.facility.beside import Beside
from services.core.facility.mapping_expression import Budget
from services.ingest.decode import json_mapping
from services.ingest.decode.cells import COMMA
from services.ingest.decode.mapped_formats import MAPPED
from services.ingest.decode.observation import (
    GOOD,
    TIME_FROM_DEVICE,
    Decoded,
    Decoder,
    Observation,
    Part,
    UndecodableError,
)
from services.ingest.decode.selection import SelectionCostError, SelectionError
from services.ingest.decode.timestamp import time_rule
from services.ingest.quarantine.reasons import Reason


def decoder(
    wire_format: str, device: Part, *, max_steps: int, beside: Beside | None = None
) -> Decoder:
    """Return what reads a device's time messages: one observation without a value, or none.

    None says that the device knows no time. ``max_steps``: what a message may cost. ``beside``: as
    of :func:`.decoder_for`.

    :raises ValueError, KeyError, TypeError: the part cannot be used.
    """
    budget = Budget(max_steps, beside)
    part = device["timestamp"]
    rule = time_rule(part, budget, device.get("delimiter", COMMA))
    read = MAPPED[wire_format] or (
        json_mapping.read_text if part["from"] == "@" else json_mapping.read_json
    )

    def decode(payload: bytes, received_us: int) -> Decoded:
        budget.renew(len(payload))
        try:
            ts_us, source = rule.read_time(rule.select(read(payload)), received_us)
        except SelectionCostError as error:
            raise UndecodableError(Reason.TOO_COSTLY, str(error)) from None
        except SelectionError as error:
            raise UndecodableError(Reason.BAD_MAPPING, str(error)) from None
        except ValueError as error:
            raise UndecodableError(Reason.BAD_TIME, str(error)) from None
        if source != TIME_FROM_DEVICE:
            return Decoded(observations=[])
        return Decoded(observations=[Observation("", ts_us, None, None, GOOD)])

    return decode
