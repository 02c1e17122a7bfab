"""A facility file as ingest knows it once it is applied, and what comes of messages then."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.core.facility import model
from services.core.facility.beside import Properties
from services.core.facility.families.catalogue import family_called
from services.core.facility.file import parse
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.store.registry import unapplied
from services.core.timeline.instants import from_us
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message

#: Families whose messages are told apart in each way that there is.
VARIOUS = (
    "dsmr-reader-json", "dsmr-reader-split", "emoncms", "oesterreichs-energie", "openems", "senml",
    "shelly-gen1", "shelly-gen2", "tasmota", "thingsboard", "zigbee2mqtt",
)  # fmt: skip

#: When messages arrive, unless a test says otherwise.
ARRIVAL = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)

BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=10))

DEVICE_TIME, ARRIVAL_TIME = 0, 1


@dataclass(frozen=True)
class Reading:
    """A row as it would be stored."""

    channel: str
    ts: datetime
    value: float | None
    time_source: int = DEVICE_TIME


@dataclass
class Station:
    """What came of the messages so far."""

    directory: Directory
    readings: list[Reading] = field(default_factory=list)
    quarantine: list[QuarantineEntry] = field(default_factory=list)

    def receive(
        self,
        topic: str,
        payload: Any,
        *,
        at: datetime = ARRIVAL,
        retained: bool = False,
        properties: Properties | None = None,
    ) -> list[Reading]:
        """Take one message; return its readings."""
        if isinstance(payload, str):
            payload = payload.encode()
        elif not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        message = Message(
            topic=topic,
            payload=payload,
            received_at=at,
            token=None,
            retained=retained,
            properties=properties,
        )
        prepared = prepare([message], self.directory, BOUNDS)
        found = [
            Reading(
                f"{row.publisher.device}.{row.channel}",
                from_us(row.ts_us),
                row.value,
                row.time_source,
            )
            for row in prepared.rows
        ]
        self.readings += found
        self.quarantine += prepared.quarantine
        return found

    def qualities(self, topic: str, payload: Any) -> list[int]:
        """Take one message; return the qualities of its readings as stored."""
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        message = Message(topic=topic, payload=payload, received_at=ARRIVAL, token=None)
        prepared = prepare([message], self.directory, BOUNDS)
        self.quarantine += prepared.quarantine
        return [row.quality for row in prepared.rows]

    def reasons(self) -> list[str]:
        """Why messages or parts of them are in quarantine."""
        return [entry.reason for entry in self.quarantine]


def example(name: str) -> str:
    """The facility file of a device family."""
    return family_called(name).text


def station(name: str) -> Station:
    """The station of a device family's example."""
    return station_of(example(name))


def station_of(text: str) -> Station:
    """The station of a facility file."""
    return Station(directory(parse(text)))


def device_of(keys: str, *channels: str) -> Station:
    """The station of one JSON device at the topic ``d``; ``keys``: its own beside those."""
    listed = "".join(f"\n      - {{{each}}}" for each in channels)
    return station_of(f"""
facility: {{id: field, name: Field, timezone: UTC}}
devices:
  - id: d
    topic: d
    format: json
    {keys}
    channels:{listed}
""")


def directory(*files: model.FacilityFile) -> Directory:
    """What ingest reads from the registry after ``tonne apply``."""
    return Directory(unapplied.devices(*files))
