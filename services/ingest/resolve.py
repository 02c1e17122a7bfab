"""Which device and channel a message speaks of, from a cached copy of the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
import structlog

from services.core.facility import fleets
from services.core.facility.beside import Beside
from services.core.facility.mapping_expression import MAX_STEPS
from services.core.facility.model import own_topic
from services.core.facility.time_messages import WITHIN_S, time_topic
from services.core.facility.topics import is_fetched
from services.core.store.factor_series import names
from services.core.store.registry import read
from services.ingest import route
from services.ingest.connections.endpoints import endpoints, topic_of
from services.ingest.decode import UnusableFormatError, decoder_for, native, time_message
from services.ingest.decode.observation import Decoded, Decoder, UndecodableError
from services.ingest.quarantine.reasons import Reason
from services.ingest.shared_topics import Fleets, SharedTopics, Unregistered, detail
from services.ingest.sparkplug.publishers import decoders as sparkplug_decoders
from services.ingest.sparkplug.publishers import status_topics
from services.ingest.sparkplug.topics import is_handed
from services.ingest.target import Target, target

_log: Final = structlog.get_logger()

#: Topics remembered at most, and their length; a flood of invented ones must not fill the memory.
_MAX_TOPICS: Final = 100_000
_LONGEST_TOPIC: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """A device that may send readings or status at a topic."""

    device_id: int
    facility: str
    device: str
    decode: Decoder
    targets: Mapping[str, Target]
    #: what ``decode`` reads that stands beside a payload, to be taken of each message before; None:
    #: it reads nothing of it
    beside: Beside | None = None
    #: channels that are no concern of this device: another one at the topic has them
    others: frozenset[str] = frozenset()
    #: its messages at this topic are the time of values after them
    tells_time: bool = False
    #: how long after such a message values have its time; zero: there is none
    told_within_us: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """What to do with messages at one topic."""

    kind: route.Kind
    #: each takes of a message what its own mapping selects; none with READINGS or STATUS: see
    #: ``reason``
    publishers: tuple[Publisher, ...] = ()
    #: the one whose readings all messages at the topic are; None: there is more to be asked
    only: Publisher | None = None
    reason: Reason | None = None
    detail: str = ""
    facility: str | None = None
    device: str | None = None
    #: with VALUES: the factor by the hour that they are of
    series: names.Series | None = None
    #: what splits messages by the ids in them, for those who are told by these
    fleets: Fleets[Publisher] | None = None
    #: with ``reason``: the id in the topic that no device has, and whose matter that is
    unknown_id: str | None = None
    refused_to: tuple[Unregistered, ...] = ()

    def concerns(self, facility: str) -> bool:
        """Whether a facility has devices at the topic."""
        return any(publisher.facility == facility for publisher in self.publishers) or (
            self.fleets is not None and facility in self.fleets.facilities
        )


class Directory:
    """The registry at one revision, by topic."""

    def __init__(self, devices: read.Devices, *, max_steps: int = MAX_STEPS) -> None:
        self.revision = devices.revision
        self._facilities = devices.facilities
        self._retired_at = devices.retired
        self._moved = devices.moved
        self._series = devices.series
        self._by_topic: dict[str, Destination] = {}
        #: what speaks at each device's native topic, by facility and device
        self._publishers: dict[tuple[str, str], Publisher] = {}
        claims: dict[str, list[Publisher]] = {}
        self._shared: SharedTopics[Publisher] = SharedTopics(
            devices.ignored_ids, max_steps=max_steps
        )
        for name, device in devices.by_name.items():
            publishers = _usable_publishers(device, max_steps)
            by_topic = {
                topic: publisher for topic, publisher in publishers.items() if topic is not None
            }
            for topic, publisher in by_topic.items():
                refusing = self._share(topic, device, publisher) if device.known_as else publisher
                if refusing is not None:
                    claims.setdefault(topic, []).append(refusing)
            # the device's format belongs to its own topics; beside them it speaks tonne's
            self._publishers[name] = (
                replace(next(iter(by_topic.values())), decode=native.decode, beside=None)
                if by_topic
                else publishers[None]
            )
        self._by_device_topic = {
            topic: _destination(route.Kind.READINGS, _sharing(publishers))
            for topic, publishers in claims.items()
        }
        #: what is listened to; what another door hands over, brokers do not carry
        self.own_topics = self._shared.topics.union(
            topic
            for topic in self._by_device_topic
            if not is_handed(topic) and not is_fetched(topic)
        )
        # these are heard until no device of a facility that moved speaks here any more
        moved = {
            topic: self._moved_destination(facility)
            for facility in devices.moved.values()
            for topic in facility.topics
            if topic not in self.own_topics
        }
        self._by_device_topic |= moved
        self.own_topics |= {
            topic for topic in moved if not is_handed(topic) and not is_fetched(topic)
        }
        #: devices that are connected to, by where they are
        self.connected = endpoints(devices.by_name.values())
        self._by_device_topic |= self._sparkplug_statuses(devices.by_name.values())
        #: edge nodes of Sparkplug, by group and name, that devices name
        self.edge_nodes = frozenset(
            (part["group"], part["edge_node"])
            for device in devices.by_name.values()
            if (part := _sparkplug_part(device)) is not None
        )
        # nobody listens at these; what the broker still holds of them must not be lost
        unheard = {
            retired.topic: self._unheard(route.Kind.READINGS, retired.facility, retired.device)
            for retired in devices.retired_topics
            if retired.topic not in self.own_topics
        }
        self.retired_topics = frozenset(unheard)
        self._by_device_topic |= unheard
        self._retired_patterns = list(filter(fleets.is_pattern, unheard))
        self._patterns = list(filter(fleets.is_pattern, self.own_topics | self.retired_topics))

    def _share(self, topic: str, device: read.Device, publisher: Publisher) -> Publisher | None:
        """Let a device share a topic by its ids; what refuses all there if that cannot be."""
        channels = [
            channel
            for channel in device.channels.values()
            if own_topic(device.topic, channel.spec.get("topic")) == topic
        ]
        try:
            self._shared.add(topic, device, channels, publisher)
        except Exception as error:  # noqa: BLE001 - one device's file must not end ingest for all
            _log.exception("format_unusable", facility=device.facility, device=device.slug)
            return _unusable(device, error)
        return None

    def _sparkplug_statuses(self, devices: Iterable[read.Device]) -> dict[str, Destination]:
        claims: dict[str, list[Publisher]] = {}
        for device in devices:
            part = _sparkplug_part(device)
            for topic in () if part is None else status_topics(part):
                claims.setdefault(topic, []).append(self._publishers[device.facility, device.slug])
        return {
            topic: _destination(route.Kind.STATUS, tuple(publishers))
            for topic, publishers in claims.items()
        }

    def publisher(self, facility: str, device: str) -> Publisher | None:
        """Return what a device is at its native topic; None: there is no such device."""
        return self._publishers.get((facility, device))

    def takes(self, topic: str) -> bool:
        """Whether a topic is one of devices, or was of a retired facility; nothing is cached."""
        return (
            topic in self.own_topics
            or topic in self.retired_topics
            or any(fleets.covers(pattern, topic) for pattern in self._patterns)
        )

    def destination(self, topic: str) -> Destination:
        """Return what to do with a message at ``topic``."""
        known = self._by_topic.get(topic)
        if known is not None:
            return known
        destination = self._of_devices(topic) or self._find(route.parse(topic))
        if len(topic) <= _LONGEST_TOPIC:
            if len(self._by_topic) >= _MAX_TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = destination
        return destination

    def _of_devices(self, topic: str) -> Destination | None:
        """Return what to do at a topic that devices have, or a retired facility had."""
        plain = self._by_device_topic.get(topic)
        sharing = self._shared.sharing(topic)
        if sharing is None:
            if plain is None and self._retired_patterns:
                patterns = (name for name in self._retired_patterns if fleets.covers(name, topic))
                plain = next(map(self._by_device_topic.get, patterns), None)
            return plain
        publishers = [*(plain.publishers if plain is not None else ()), *sharing.owners]
        if publishers or sharing.fleets is not None:
            return _destination(route.Kind.READINGS, _sharing(publishers), sharing.fleets)
        if sharing.unknown_id is None or not sharing.refused_to:
            return Destination(kind=route.Kind.IGNORED)
        return Destination(
            kind=route.Kind.READINGS,
            reason=Reason.UNKNOWN_DEVICE,
            detail=detail([sharing.unknown_id], topic),
            unknown_id=sharing.unknown_id,
            refused_to=sharing.refused_to,
        )

    def _find(self, address: route.Address) -> Destination:
        if address.kind is route.Kind.IGNORED:
            return Destination(kind=address.kind)
        if address.kind is route.Kind.BAD:
            return Destination(kind=address.kind, reason=Reason.BAD_TOPIC, detail=address.detail)
        if address.kind is route.Kind.VALUES:
            return self._values(address)
        publisher = self.publisher(address.facility, address.device)
        if publisher is not None:
            return _destination(address.kind, (publisher,))
        return self._unheard(address.kind, address.facility, address.device)

    def _values(self, address: route.Address) -> Destination:
        facility = address.facility or None
        series = self._series.get((facility, address.series))
        reason, detail = None, ""
        if series is None:
            reason, detail = self._unknown_series(facility, address.series)
        return Destination(
            kind=address.kind,
            reason=reason,
            detail=detail,
            facility=facility,
            series=series,
        )

    def _unknown_series(self, facility: str | None, series: str) -> tuple[Reason, str]:
        no_series = Reason.UNKNOWN_SERIES, names.unknown(series, shared=facility is None)
        return (self._out_of_force(facility) if facility is not None else None) or no_series

    def _unheard(self, kind: route.Kind, facility: str, device: str) -> Destination:
        reason, detail = self._unknown(facility, device)
        return Destination(
            kind=kind, reason=reason, detail=detail, facility=facility, device=device
        )

    def _unknown(self, facility: str, device: str) -> tuple[Reason, str]:
        # what other facilities have makes no difference: an answer tells nothing of them
        no_device = Reason.UNKNOWN_DEVICE, f"facility {facility!r} has no device {device!r}"
        return self._out_of_force(facility) or no_device

    @staticmethod
    def _moved_destination(moved: read.MovedFacility) -> Destination:
        # a topic that several devices may have names none of them
        reason, detail = _lives_elsewhere(moved)
        return Destination(
            kind=route.Kind.READINGS, reason=reason, detail=detail, facility=moved.facility
        )

    def _out_of_force(self, facility: str) -> tuple[Reason, str] | None:
        if facility in self._moved:
            return _lives_elsewhere(self._moved[facility])
        if facility not in self._facilities:
            return Reason.UNKNOWN_FACILITY, f"there is no facility {facility!r}"
        retired_at = self._retired_at.get(facility)
        if retired_at is None:
            return None
        detail = f"facility {facility!r} was retired at {retired_at:%Y-%m-%dT%H:%MZ}"
        return Reason.RETIRED_FACILITY, detail


def _lives_elsewhere(moved: read.MovedFacility) -> tuple[Reason, str]:
    return Reason.MOVED_FACILITY, f"facility {moved.facility!r} lives in cell {moved.cell!r}"


def _destination(
    kind: route.Kind,
    publishers: tuple[Publisher, ...],
    of_messages: Fleets[Publisher] | None = None,
) -> Destination:
    is_only = (
        kind is route.Kind.READINGS
        and len(publishers) == 1
        and of_messages is None
        and not publishers[0].tells_time
    )
    return Destination(
        kind=kind,
        publishers=publishers,
        only=publishers[0] if is_only else None,
        fleets=of_messages,
    )


def _usable_publishers(device: read.Device, max_steps: int) -> dict[str | None, Publisher]:
    try:
        return _publishers(device, max_steps)
    except Exception as error:  # noqa: BLE001 - one device's rows must not end ingest for all
        _log.exception("device_unusable", facility=device.facility, device=device.slug)
        return {device.topic: _unusable(device, error)}


def _publishers(device: read.Device, max_steps: int) -> dict[str | None, Publisher]:
    """Return a device's part at each of its topics; None stands for the native one."""
    part = _sparkplug_part(device)
    if part is not None:
        return _sparkplug_publishers(device, part)
    sharing: dict[str | None, list[read.Channel]] = {}
    stated = topic_of(device)
    for channel in device.channels.values():
        topic = own_topic(stated, channel.spec.get("topic"))
        sharing.setdefault(topic, []).append(channel)
    targets = {slug: target(channel) for slug, channel in device.channels.items()}
    told_at = time_topic(device.topic, device.spec.get("timestamp"))
    timestamp = device.spec.get("timestamp") or {}
    within_us = round(1e6 * (timestamp.get("within") or WITHIN_S)) if told_at is not None else 0
    publishers: dict[str | None, Publisher] = {}
    for topic, channels in (sharing or {stated: []}).items():
        beside = Beside()
        # whose records are whose, all who share the topic tell together
        is_told_together = topic is not None and fleets.tells_in_payload(
            device.spec.get("device_from")
        )
        publishers[topic] = Publisher(
            device_id=device.id,
            facility=device.facility,
            device=device.slug,
            decode=(
                native.decode if is_told_together else _decoder(device, channels, max_steps, beside)
            ),
            targets=targets,
            beside=beside if beside.is_read else None,
            told_within_us=within_us,
        )
    if told_at is not None:
        beside = Beside()
        publishers[told_at] = Publisher(
            device_id=device.id,
            facility=device.facility,
            device=device.slug,
            decode=time_message.decoder(
                device.format, device.spec, max_steps=max_steps, beside=beside
            ),
            targets=targets,
            beside=beside if beside.is_read else None,
            tells_time=True,
        )
    return publishers


def _sparkplug_part(device: read.Device) -> Mapping[str, Any] | None:
    """Return what a device of Sparkplug is there; None: it is none."""
    return device.spec.get("sparkplug") if device.format == "sparkplug" else None


def _sparkplug_publishers(
    device: read.Device, part: Mapping[str, Any]
) -> dict[str | None, Publisher]:
    targets = {slug: target(channel) for slug, channel in device.channels.items()}
    return {
        topic: Publisher(
            device_id=device.id,
            facility=device.facility,
            device=device.slug,
            decode=decode,
            targets=targets,
        )
        for topic, decode in sparkplug_decoders(
            part, [channel.spec for channel in device.channels.values()]
        )
    }


def _sharing(publishers: list[Publisher]) -> tuple[Publisher, ...]:
    """Those who publish at one topic, each knowing which channels the others answer for."""
    if len(publishers) == 1:
        return tuple(publishers)
    return tuple(
        replace(
            publisher,
            others=frozenset(
                channel
                for other in publishers
                if other is not publisher
                for channel in other.targets
            ).difference(publisher.targets),
        )
        for publisher in sorted(publishers, key=lambda publisher: publisher.device_id)
    )


def _decoder(
    device: read.Device, channels: Iterable[read.Channel], max_steps: int, beside: Beside
) -> Decoder:
    spec = device.spec
    if time_topic(device.topic, spec.get("timestamp")) is not None:
        # what the messages say of values does not say their time
        spec = {key: part for key, part in spec.items() if key != "timestamp"}
    try:
        return decoder_for(
            device.format,
            spec,
            [channel.spec for channel in channels],
            max_steps=max_steps,
            beside=beside,
        )
    except UnusableFormatError as error:
        return _refusing(str(error))
    except Exception as error:  # noqa: BLE001 - one device's file must not end ingest for all
        _log.exception("format_unusable", facility=device.facility, device=device.slug)
        return _refusing(_cannot_be_used(device, error))


def _unusable(device: read.Device, error: Exception) -> Publisher:
    return Publisher(
        device_id=device.id,
        facility=device.facility,
        device=device.slug,
        decode=_refusing(_cannot_be_used(device, error)),
        targets={},
    )


def _cannot_be_used(device: read.Device, error: Exception) -> str:
    return (
        f"what the facility file says of device {device.slug!r} cannot be used"
        f" ({type(error).__name__}); apply the file again"
    )


def _refusing(detail: str) -> Decoder:
    def refuse(_payload: bytes, _received_us: int) -> Decoded:
        raise UndecodableError(Reason.UNSUPPORTED_FORMAT, detail)

    return refuse


class RegistryCache:
    """Keeps a :class:`Directory` that is as new as the last look at the registry's revision."""

    def __init__(self, *, max_steps: int = MAX_STEPS) -> None:
        """``max_steps``: what a mapping may cost for one message."""
        self._max_steps = max_steps
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
        self._directory = Directory(read.devices(connection), max_steps=self._max_steps)
        return True
