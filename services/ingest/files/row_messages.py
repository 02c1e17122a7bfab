"""A row of a file as the message that its device would have sent: what is refused is kept so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from services.core.facility.topics import readings_topic
from services.ingest.decode.observation import QUALITY
from services.ingest.files.rows import UNSTATED, Place
from services.ingest.sources.source import Message

#: What tonne's own files call a gap that a value above the range left; no device says it.
_ABOVE_RANGE: Final = "above-range"


def message(
    place: Place, time: Any, value: Any, *, unit: str, quality: str, received_at: datetime
) -> Message:
    """Return the message of one reading; ``time`` and ``value`` as they stand in the file.

    It is one that may have come before, so that the same file twice is refused once.
    """
    facility, device, channel = place
    sent: dict[str, Any] = {"v": value}
    if unit != UNSTATED:
        sent["u"] = unit
    if quality != UNSTATED:
        sent["q"] = quality_name(quality)
    return Message(
        topic=readings_topic(facility, device),
        payload=msgspec.json.encode({"ts": time, "values": {channel: sent}}),
        received_at=received_at,
        token=None,
        redelivered=True,
    )


def quality_name(name: str) -> str:
    """Return a quality as devices say it."""
    return "bad" if name == _ABOVE_RANGE else name


def quality_code(name: str) -> int:
    """Return the quality as it is stored; -1: there is no such."""
    return QUALITY.get(quality_name(name) if name != UNSTATED else "good", -1)
