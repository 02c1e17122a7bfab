"""What goes to quarantine of one reading: with its message, or by itself if that is large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from services.core.store.readings.quarantine import QuarantineEntry
from services.core.store.readings.writer import ReadingRow
from services.core.timeline.instants import from_us
from services.ingest.decode.observation import QUALITY
from services.ingest.prepare import Origin
from services.ingest.quarantine.reasons import Reason, explain
from services.ingest.route import ROOT

#: Payloads that one message leaves, all together; beyond, each entry keeps only its own reading.
_MOST_BYTES: Final = 256 * 1024

_QUALITY_NAMES: Final = {code: name for name, code in QUALITY.items()}


def of_reading(reason: Reason, what: str, row: ReadingRow, origin: Origin) -> QuarantineEntry:
    """The entry of a row that is not stored."""
    message = origin.message
    return QuarantineEntry(
        received_at=message.arrived_at,
        reason=reason,
        detail=explain(reason, what),
        topic=message.topic,
        payload=message.payload,
        facility=origin.publisher.facility,
        device=origin.publisher.device,
        channel=origin.channel,
        ts=from_us(row.ts_us),
        value=row.value,
        quality=row.quality,
        repeated=message.redelivered or message.retained,
    )


def own_payloads(
    entries: Sequence[QuarantineEntry], rows: Sequence[ReadingRow], origins: Sequence[Origin]
) -> list[QuarantineEntry]:
    """Keep no large message once for each of its entries; element i of all three is of one row."""
    size = Counter[int]()
    for origin in origins:
        size[id(origin.message)] += len(origin.message.payload)
    return [
        replace(entry, topic=_native_topic(origin), payload=_alone(row, origin))
        if size[id(origin.message)] > _MOST_BYTES
        else entry
        for entry, row, origin in zip(entries, rows, origins, strict=True)
    ]


def shown(value: float | None, quality: int) -> str:
    """A reading as a person reads it."""
    return f"{'null' if value is None else repr(value)} ({_QUALITY_NAMES[quality]})"


def _native_topic(origin: Origin) -> str:
    return f"{ROOT}/{origin.publisher.facility}/{origin.publisher.device}/readings"


def _alone(row: ReadingRow, origin: Origin) -> bytes:
    """One reading of a message as a native payload, in the channel's unit."""
    unit = origin.publisher.targets[origin.channel].unit
    value = {"v": row.value, "u": unit, "q": _QUALITY_NAMES[row.quality]}
    return msgspec.json.encode({"ts": from_us(row.ts_us), "values": {origin.channel: value}})
