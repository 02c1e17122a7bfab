"""Which device and channel a message speaks of, from a cached copy of the registry."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg

from services.core.store.registry import read
from services.core.store.registry.facility_model import own_topic
from services.ingest import route
from services.ingest.decode import UnusableFormatError, decoder_for, native
from services.ingest.decode.observation import Decoded, Decoder, UndecodableError
from services.ingest.reasons import Reason

#: Topics remembered at most, and their length; a flood of invented ones must not fill the memory.
_MOST_TOPICS: Final = 100_000
_LONGEST_TOPIC: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the values of one channel go."""

    facility_id: int
    channel_id: int
    slug: str
    #: the unit that readings are stored in
    unit: str
    #: physical range in that unit, ends included, both finite
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """A device that may send readings or status at a topic."""

    device_id: int
    facility: str
    device: str
    decode: Decoder
    targets: Mapping[str, Target]


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """What to do with messages at one topic."""

    kind: route.Kind
    #: None with READINGS or STATUS: see ``reason``
    publisher: Publisher | None = None
    reason: Reason | None = None
    what: str = ""
    facility: str | None = None
    device: str | None = None


class Directory:
    """The registry at one revision, by topic."""

    def __init__(self, devices: read.Devices) -> None:
        self.revision = devices.revision
        self._facilities = devices.facilities
        self._devices = devices.by_slug
        self._by_topic: dict[str, Destination] = {}
        self._own: dict[str, Destination] = {}
        #: what speaks at each device's native topic
        self._publishers: dict[str, Publisher] = {}
        for slug, device in devices.by_slug.items():
            publishers = _publishers(device)
            own = {topic: each for topic, each in publishers.items() if topic is not None}
            for topic, publisher in own.items():
                self._claim(topic, publisher)
            # the device's format belongs to its own topics; beside them it speaks tonne's
            self._publishers[slug] = (
                replace(next(iter(own.values())), decode=native.decode) if own else publishers[None]
            )
        self.own_topics = frozenset(self._own)

    def _claim(self, topic: str, publisher: Publisher) -> None:
        before = self._own.get(topic)
        if before is None:
            self._own[topic] = Destination(kind=route.Kind.READINGS, publisher=publisher)
            return
        first = before.publisher.device if before.publisher else "others"
        self._own[topic] = Destination(
            kind=route.Kind.READINGS,
            reason=Reason.AMBIGUOUS_TOPIC,
            what=f"the topic is that of device {publisher.device!r} and of {first!r}",
        )

    def destination(self, topic: str) -> Destination:
        """What to do with a message at ``topic``."""
        known = self._by_topic.get(topic)
        if known is not None:
            return known
        found = self._own.get(topic) or self._find(route.parse(topic))
        if len(topic) <= _LONGEST_TOPIC:
            if len(self._by_topic) >= _MOST_TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = found
        return found

    def _find(self, address: route.Address) -> Destination:
        if address.kind is route.Kind.IGNORED:
            return Destination(kind=address.kind)
        if address.kind is route.Kind.BAD:
            return Destination(kind=address.kind, reason=Reason.BAD_TOPIC, what=address.what)
        reason, what = self._unknown(address)
        if reason is not None:
            return Destination(
                kind=address.kind,
                reason=reason,
                what=what,
                facility=address.facility,
                device=address.device,
            )
        return Destination(kind=address.kind, publisher=self._publishers[address.device])

    def _unknown(self, address: route.Address) -> tuple[Reason | None, str]:
        if address.facility not in self._facilities:
            return Reason.UNKNOWN_FACILITY, f"there is no facility {address.facility!r}"
        device = self._devices.get(address.device)
        if device is None:
            return (
                Reason.UNKNOWN_DEVICE,
                f"facility {address.facility!r} has no device {address.device!r}",
            )
        if device.facility != address.facility:
            what = f"device {address.device!r} belongs to facility {device.facility!r}"
            return Reason.UNKNOWN_DEVICE, f"{what}, not to {address.facility!r}"
        return None, ""


def _publishers(device: read.Device) -> dict[str | None, Publisher]:
    """A device's part at each of its topics; None stands for the native one."""
    sharing: dict[str | None, list[read.Channel]] = {}
    for channel in device.channels.values():
        topic = own_topic(device.topic, channel.spec.get("topic"))
        sharing.setdefault(topic, []).append(channel)
    targets = {slug: _target(channel) for slug, channel in device.channels.items()}
    return {
        topic: Publisher(
            device_id=device.id,
            facility=device.facility,
            device=device.slug,
            decode=_decoder(device, channels),
            targets=targets,
        )
        for topic, channels in (sharing or {device.topic: []}).items()
    }


def _decoder(device: read.Device, channels: Iterable[read.Channel]) -> Decoder:
    try:
        return decoder_for(device.format, device.spec, [channel.spec for channel in channels])
    except UnusableFormatError as error:
        what = str(error)

        def refuse(_payload: bytes, _received_us: int) -> Decoded:
            raise UndecodableError(Reason.UNSUPPORTED_FORMAT, what)

        return refuse


def _target(channel: read.Channel) -> Target:
    lowest, highest = channel.range or (-math.inf, math.inf)
    return Target(
        facility_id=channel.facility_id,
        channel_id=channel.id,
        slug=channel.slug,
        unit=channel.unit,
        lowest=max(lowest, -sys.float_info.max),
        highest=min(highest, sys.float_info.max),
    )


class RegistryCache:
    """Keeps a :class:`Directory` that is as new as the last look at the registry's revision."""

    def __init__(self) -> None:
        self._directory: Directory | None = None

    @property
    def directory(self) -> Directory:
        """The registry as last read; :meth:`refresh` must have run once."""
        if self._directory is None:
            raise RuntimeError("the registry was never read")
        return self._directory

    def refresh(self, connection: psycopg.Connection[Any]) -> bool:
        """Read the registry anew if its revision changed; return whether it did."""
        present = self._directory
        if present is not None and read.revision(connection) == present.revision:
            return False
        self._directory = Directory(read.devices(connection))
        return True
