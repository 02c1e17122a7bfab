"""What goes to quarantine of one reading: with its message, or by itself if that is large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from services.core.facility.topics import readings_topic
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.timeline.instants import from_us
from services.ingest.corrections import ABOVE_RANGE
from services.ingest.decode.observation import QUALITY
from services.ingest.prepare import Candidate
from services.ingest.quarantine.reasons import Reason, explain
from services.ingest.sources.receipt import Refusal

#: Payloads that one message leaves, all together; beyond, each entry keeps only its own reading.
_MAX_BYTES: Final = 256 * 1024

#: A gap that a value above the range left is shown and sent as bad: no device says it.
_QUALITY_NAMES: Final = {**{code: name for name, code in QUALITY.items()}, ABOVE_RANGE: "bad"}


def of_reading(reason: Reason, detail: str, row: Candidate) -> QuarantineEntry:
    """Return the entry of a row that is not stored."""
    message = row.message
    return QuarantineEntry(
        received_at=message.arrived_at,
        reason=reason,
        detail=explain(reason, detail),
        topic=message.topic,
        payload=message.payload,
        facility=row.publisher.facility,
        device=row.publisher.device,
        channel=row.channel,
        ts=from_us(row.ts_us),
        value=row.value,
        quality=row.quality,
        repeated=message.redelivered or message.retained,
        hear=None
        if message.receipt is None
        else message.receipt.awaiting([_refusal(reason, detail, row)]),
    )


def _refusal(reason: Reason, detail: str, row: Candidate) -> Refusal:
    return Refusal(
        reason=reason, detail=detail, channel=row.channel, ts_us=row.ts_us, value=row.value
    )


def own_payloads(
    entries: Sequence[QuarantineEntry], rows: Sequence[Candidate]
) -> list[QuarantineEntry]:
    """Keep no large message once for each of its entries; element i of both is of one row."""
    size = Counter[int]()
    for row in rows:
        size[id(row.message)] += len(row.message.payload)
    return [
        replace(entry, topic=_native_topic(row), payload=_alone(row))
        if size[id(row.message)] > _MAX_BYTES
        else entry
        for entry, row in zip(entries, rows, strict=True)
    ]


def shown(value: float | None, quality: int) -> str:
    """Show a reading as a person reads it."""
    return f"{'null' if value is None else repr(value)} ({_QUALITY_NAMES[quality]})"


def _native_topic(row: Candidate) -> str:
    return readings_topic(row.publisher.facility, row.publisher.device)


def _alone(row: Candidate) -> bytes:
    """One reading of a message as a native payload, in the channel's unit."""
    unit = row.publisher.targets[row.channel].unit
    value = {"v": row.value, "u": unit, "q": _QUALITY_NAMES[row.quality]}
    return msgspec.json.encode({"ts": from_us(row.ts_us), "values": {row.channel: value}})
