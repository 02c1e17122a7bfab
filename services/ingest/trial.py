"""What a facility file makes of one message before it is applied: ingest's own steps, no database.

A verdict is what ingest would do: :class:`Taken` is a row that it would store, :class:`Refused` an
entry in quarantine, :class:`Absent` a channel of which the message says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.core.facility import fleets
from services.core.facility.in_force import in_force_at
from services.core.facility.model import own_topic
from services.core.facility.topics import readings_topic
from services.core.store.registry import read
from services.core.timeline.instants import from_us
from services.ingest.arrivals import Arrivals
from services.ingest.connections.endpoints import topic_of
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import QUALITY, TIME_FROM_DEVICE, Part, Problem
from services.ingest.prepare import Candidate, Preparation, TimeBounds
from services.ingest.quarantine.reasons import Reason, explain
from services.ingest.refusals import Owner
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message
from services.ingest.sparkplug.publishers import data_topic

_QUALITIES: Final = {stored: name for name, stored in QUALITY.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A value that would be stored."""

    channel: read.Channel
    #: in the channel's unit, after scale, offset and calibration function; None: a gap
    value: float | None
    #: in the channel's unit, as it would be stored
    stored: float | None
    quality: str
    ts: datetime
    #: the message says the time; else its arrival is the time
    is_timed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What would go to quarantine, with the words that it would have there."""

    device: str | None
    #: None: it is said of all that the message holds
    channel: str | None
    reason: Reason
    detail: str
    ts: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """A channel at the message's topic that the message says nothing of."""

    channel: read.Channel


Verdict = Taken | Refused | Absent


class _Trial(Preparation):
    """Keeps each problem by itself; quarantine puts those of one reason together."""

    def __init__(self, directory: Directory, bounds: TimeBounds) -> None:
        super().__init__(directory, bounds, Arrivals(), None)
        self.problems: list[tuple[Owner, Problem]] = []

    def _quarantine(self, _message: Message, problems: Sequence[tuple[Owner, Problem]]) -> None:
        self.problems += problems


def verdicts(
    devices: read.Devices,
    message: Message,
    bounds: TimeBounds,
    *,
    directory: Directory | None = None,
) -> list[Verdict]:
    """Return what would become of a message, and of each channel at its topic.

    ``directory``: of the same devices; None: it is made for this message alone.
    """
    directory = directory or Directory(devices)
    trial = _Trial(directory, bounds)
    trial.take(message)
    channels = {
        channel.id: channel
        for device in devices.by_name.values()
        for channel in device.channels.values()
    }
    taken = [_taken(channels[row.channel_id], row) for row in trial.rows if not row.for_refused]
    refused = [_refused(owner, problem) for owner, problem in trial.problems]
    answered: set[tuple[str | None, str | None]] = {
        (verdict.channel.device, verdict.channel.slug) for verdict in taken
    }
    answered |= {(verdict.device, verdict.channel) for verdict in refused}
    # a message that is refused whole says of no channel that it leaves it out
    whole = {verdict.device for verdict in refused if verdict.channel is None}
    named = {device for device, _ in answered}
    absent = [
        Absent(channel=channel)
        for device in devices.by_name.values()
        # of a message of many devices, only those that it names
        if device.slug in named or not fleets.tells_in_payload(device.spec.get("device_from"))
        for channel in device.channels.values()
        if takes(device, channel, message.topic)
        and device.slug not in whole
        and (device.slug, channel.slug) not in answered
    ]
    return [*taken, *refused, *absent]


def takes(device: read.Device, channel: read.Channel, topic: str) -> bool:
    """Whether values of a channel come in messages at a topic."""
    return any(fleets.covers(name, topic) for name in _topics(device, channel))


def is_taken(devices: read.Devices, topic: str) -> bool:
    """Whether messages at a topic come to any device, known or of an id that none of them has."""
    return any(
        fleets.covers(_topic(device, channel), topic)
        for device in devices.by_name.values()
        for channel in device.channels.values()
    )


def topics(devices: read.Devices) -> tuple[str, ...]:
    """Return topics at which the devices' messages come, in the order of the file.

    Of a topic that has a level for the id it is the one of the first device there.
    """
    listed: dict[str, str] = {}
    for device in devices.by_name.values():
        for channel in device.channels.values():
            listed.setdefault(_topic(device, channel), next(iter(_topics(device, channel))))
    return tuple(listed.values())


def _topics(device: read.Device, channel: read.Channel) -> tuple[str, ...]:
    stated = _topic(device, channel)
    return fleets.topics_of(stated, device.spec.get("device_from"), device.known_as)


def _topic(device: read.Device, channel: read.Channel) -> str:
    part = device.spec.get("sparkplug")
    if part is not None:
        # a payload in which every metric has its name, as births have, and what is handed over
        return data_topic(part)
    stated = own_topic(topic_of(device), channel.spec.get("topic"))
    return stated or readings_topic(device.facility, device.slug)


def _taken(channel: read.Channel, row: Candidate) -> Taken:
    counted = in_force_at(channel.in_force, row.ts_us).as_sent
    return Taken(
        channel=channel,
        value=row.value if row.value is None or counted is None else counted(row.value),
        stored=row.value,
        quality=_QUALITIES[row.quality],
        ts=from_us(row.ts_us),
        is_timed=row.time_source == TIME_FROM_DEVICE,
    )


def _refused(owner: Owner, problem: Problem) -> Refused:
    ts_us = problem.ts_us
    return Refused(
        device=owner.device,
        channel=problem.channel,
        reason=problem.reason,
        detail=explain(problem.reason, problem.detail),
        ts=from_us(ts_us) if ts_us is not None and OLDEST_US <= ts_us <= NEWEST_US else None,
    )


def place(devices: read.Devices, channel: read.Channel) -> str:
    """Say where in a payload a channel's value stands."""
    device = devices.by_name[channel.facility, channel.device]
    if device.format == "native":
        return f"values.{channel.slug}"
    if device.format in {"senml", "sparkplug", "p1"}:
        return str(channel.spec.get("from") or channel.slug)
    register = channel.spec.get("register")
    if register is not None:
        return f"{register['function']} register {register['address']}"
    packed = channel.spec.get("bytes")
    return _in_payload(channel.spec) + (
        "" if packed is None else f", byte {packed.get('from_byte', 0)}"
    )


def clock(devices: read.Devices, taken: Taken) -> str:
    """Say where in the payload a reading's time stood, or that it is the message's arrival."""
    if not taken.is_timed:
        return "arrival"
    device = devices.by_name[taken.channel.facility, taken.channel.device]
    stated = taken.channel.spec.get("timestamp") or device.spec.get("timestamp")
    if stated is not None:
        return _in_payload(stated)
    places = {
        "native": "ts",
        "line-protocol": "time",
        "sparkplug": "timestamp",
        "hj212": "DataTime",
        "p1": "the meter's clock",
        "modbus": "the poll",
    }
    return places.get(device.format, "bt + t")


def _in_payload(part: Part) -> str:
    """Say what ``from`` and ``cell`` of a part of a mapping name."""
    stated = part.get("from", "@")
    cell = f", cell {part['cell']}" if "cell" in part else ""
    return ("the payload" if stated == "@" else str(stated)) + cell
