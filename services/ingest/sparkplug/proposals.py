"""Channels that the births of a device nobody registered propose. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from services.ingest.decode.sparkplug_payload import INTEGERS, SIGNED_BITS, signed, value_field
from services.ingest.sparkplug.births import BD_SEQ, read_birth

#: Types that are numbers (section 6.4.16), with their names.
_NUMBERS: Final = {
    1: "Int8",
    2: "Int16",
    3: "Int32",
    4: "Int64",
    5: "UInt8",
    6: "UInt16",
    7: "UInt32",
    8: "UInt64",
    9: "Float",
    10: "Double",
    11: "Boolean",
}

#: Metrics that control an edge node or a device, and those that describe it.
_NOT_MEASURED: Final = ("Node Control/", "Device Control/", "Node Info/", "Properties/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A metric that could be a channel."""

    #: what ``from`` names in the facility file
    name: str
    #: as the specification calls it, such as Double
    datatype: str
    #: as the birth tells it; None: it tells none
    unit: str | None
    #: the value in the birth; None: it was null
    sample: float | None


def proposals(payload: Any) -> list[Proposal]:
    """Return the measured numbers of a birth, in its order; ``payload``: as it was read."""
    units = {metric.name: metric.unit for metric in read_birth(payload).metrics}
    return [
        Proposal(
            name=metric.name,
            datatype=_NUMBERS[metric.datatype],
            unit=units[metric.name],
            sample=_sample(metric),
        )
        for metric in payload.metrics
        if metric.datatype in _NUMBERS
        and metric.name not in {"", BD_SEQ}
        and not metric.name.startswith(_NOT_MEASURED)
        and not metric.is_transient
    ]


def _sample(metric: Any) -> float | None:
    field = value_field(metric)
    if metric.is_null or field is None:
        return None
    value = getattr(metric, field)
    if isinstance(value, str | bytes):
        return None
    bits = SIGNED_BITS.get(metric.datatype)
    return float(signed(value, bits) if bits is not None and field in INTEGERS else value)
