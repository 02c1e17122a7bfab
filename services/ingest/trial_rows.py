"""What a facility file makes of a message, tried at its topics, as flat rows for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.core.facility.beside import Properties
from services.core.store.registry import read
from services.ingest.prepare import TimeBounds
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message
from services.ingest.trial import Absent, Refused, Taken, Verdict, clock, place, verdicts


def tried(
    devices: read.Devices,
    payload: bytes,
    topics: Sequence[str],
    arrived_at: datetime,
    bounds: TimeBounds,
    *,
    max_steps: int,
    properties: Properties | None = None,
) -> dict[str, list[Verdict]]:
    """Try a message at each topic; where it is of use at one, the others are left out.

    ``properties``: what MQTT 5 says beside the payload.
    """
    directory = Directory(devices, max_steps=max_steps)
    by_topic = {
        topic: verdicts(
            devices,
            Message(
                topic=topic,
                payload=payload,
                received_at=arrived_at,
                token=None,
                properties=properties,
            ),
            bounds,
            directory=directory,
        )
        for topic in topics
    }
    useful = {
        topic: listed
        for topic, listed in by_topic.items()
        if any(isinstance(verdict, Taken) for verdict in listed)
    }
    return useful or by_topic


def flat(devices: read.Devices, topic: str, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for programs; all have the same keys."""
    row = dict.fromkeys(
        ("device", "channel", "value", "unit", "stored", "kind", "quality", "time", "timed_by",
         "from", "reason", "detail")
    )  # fmt: skip
    if isinstance(verdict, Refused):
        refusal = {
            "device": verdict.device,
            "channel": verdict.channel,
            "time": verdict.ts,
            "reason": verdict.reason,
            "detail": verdict.detail,
        }
        return {"topic": topic, "verdict": "refused", **row, **refusal}
    channel = verdict.channel
    row |= {
        "device": channel.device,
        "channel": channel.slug,
        "unit": channel.unit,
        "kind": channel.kind,
        "from": place(devices, channel),
    }
    if isinstance(verdict, Absent):
        return {"topic": topic, "verdict": "absent", **row}
    reading = {
        "value": verdict.value,
        "stored": verdict.stored,
        "quality": verdict.quality,
        "time": verdict.ts,
        "timed_by": clock(devices, verdict),
    }
    return {"topic": topic, "verdict": "taken", **row, **reading}
