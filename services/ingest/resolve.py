"""Which device and channel a message speaks of, from a cached copy of the registry."""

from __future__ import annotations

import math
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from services.core.accounting.units import Conversion
from services.core.facility.in_force import InForce
from services.core.facility.mapping_expression import MAX_STEPS
from services.core.facility.model import own_topic
from services.core.store.factor_series import names
from services.core.store.registry import read
from services.core.timeline.instants import to_us
from services.ingest import route
from services.ingest.check import FLOAT_MARKERS_FROM
from services.ingest.corrections import Rule
from services.ingest.decode import UnusableFormatError, decoder_for, native
from services.ingest.decode.instant import NEWEST_US
from services.ingest.decode.observation import Decoded, Decoder, UndecodableError
from services.ingest.quarantine.reasons import Reason

_log: Final = structlog.get_logger()

#: A channel's unit times this is taken for rounding below zero, where no range tells its width.
_NOISE: Final = 1e-9

#: Topics remembered at most, and their length; a flood of invented ones must not fill the memory.
_MAX_TOPICS: Final = 100_000
_LONGEST_TOPIC: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the values of one channel go."""

    facility_id: int
    channel_id: int
    slug: str
    #: the unit that readings are stored in
    unit: str
    #: physical range of what is sent in that unit, before scale and offset, ends included, finite
    lowest: float
    highest: float
    #: how far beyond them, as sent, a value is taken for rounding
    noise: float = 0.0
    #: from what is sent and stored to the unit; None: they are the same
    as_sent: Conversion | None = None
    #: what is below zero in the unit is no range of a sensor, but what flows the other way
    counts_one_way: bool = False
    #: in the channel's unit: between these a refused value went over the range; None: none does
    over_range: tuple[float, float] | None = None
    #: as sent; between them no value needs a second look, neither at the range nor for markers
    plain_lowest: float = -FLOAT_MARKERS_FROM
    plain_highest: float = FLOAT_MARKERS_FROM
    #: numbers as sent that mean no value
    markers: frozenset[float] = frozenset()
    #: whether a gap stands in for a value that is refused: the one before holds no longer, and
    #: an event of unknown amount is none of zero
    holds: bool = False
    #: a reading from before may be one of a wrong clock that :mod:`.alone` looks for; later events
    #: of a log stand alone by nature
    alone_until_us: int = NEWEST_US
    #: which of two readings for one time stands
    corrections: Rule = Rule.BETTER_QUALITY
    #: what takes the place of this one's range and unit, by when in microseconds, ascending
    later: tuple[tuple[int, Target], ...] = ()
    #: how long before its time a reading counts from: the interval that ends there
    reaches_back_us: int = 0

    def in_force_at(self, ts_us: int) -> Target:
        """Return what is in force at the time of a reading."""
        if not self.later:
            return self
        index = bisect_right(self.later, ts_us - self.reaches_back_us, key=lambda entry: entry[0])
        return self if index == 0 else self.later[index - 1][1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """A device that may send readings or status at a topic."""

    device_id: int
    facility: str
    device: str
    decode: Decoder
    targets: Mapping[str, Target]
    #: channels that are no concern of this device: another one at the topic has them
    others: frozenset[str] = frozenset()


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


class Directory:
    """The registry at one revision, by topic."""

    def __init__(self, devices: read.Devices, *, max_steps: int = MAX_STEPS) -> None:
        self.revision = devices.revision
        self._facilities = devices.facilities
        self._retired_at = devices.retired
        self._series = devices.series
        self._by_topic: dict[str, Destination] = {}
        #: what speaks at each device's native topic, by facility and device
        self._publishers: dict[tuple[str, str], Publisher] = {}
        claims: dict[str, list[Publisher]] = {}
        for name, device in devices.by_name.items():
            publishers = _usable_publishers(device, max_steps)
            by_topic = {
                topic: publisher for topic, publisher in publishers.items() if topic is not None
            }
            for topic, publisher in by_topic.items():
                claims.setdefault(topic, []).append(publisher)
            # the device's format belongs to its own topics; beside them it speaks tonne's
            self._publishers[name] = (
                replace(next(iter(by_topic.values())), decode=native.decode)
                if by_topic
                else publishers[None]
            )
        self._by_device_topic = {
            topic: _destination(route.Kind.READINGS, _sharing(publishers))
            for topic, publishers in claims.items()
        }
        self.own_topics = frozenset(self._by_device_topic)
        # nobody listens at these; what the broker still holds of them must not be lost
        unheard = {
            retired.topic: self._unheard(route.Kind.READINGS, retired.facility, retired.device)
            for retired in devices.retired_topics
            if retired.topic not in self._by_device_topic
        }
        self.retired_topics = frozenset(unheard)
        self._by_device_topic |= unheard

    def publisher(self, facility: str, device: str) -> Publisher | None:
        """Return what a device is at its native topic; None: there is no such device."""
        return self._publishers.get((facility, device))

    def destination(self, topic: str) -> Destination:
        """Return what to do with a message at ``topic``."""
        known = self._by_topic.get(topic)
        if known is not None:
            return known
        destination = self._by_device_topic.get(topic) or self._find(route.parse(topic))
        if len(topic) <= _LONGEST_TOPIC:
            if len(self._by_topic) >= _MAX_TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = destination
        return destination

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

    def _out_of_force(self, facility: str) -> tuple[Reason, str] | None:
        if facility not in self._facilities:
            return Reason.UNKNOWN_FACILITY, f"there is no facility {facility!r}"
        retired_at = self._retired_at.get(facility)
        if retired_at is None:
            return None
        detail = f"facility {facility!r} was retired at {retired_at:%Y-%m-%dT%H:%MZ}"
        return Reason.RETIRED_FACILITY, detail


def _destination(kind: route.Kind, publishers: tuple[Publisher, ...]) -> Destination:
    only = publishers[0] if kind is route.Kind.READINGS and len(publishers) == 1 else None
    return Destination(kind=kind, publishers=publishers, only=only)


def _usable_publishers(device: read.Device, max_steps: int) -> dict[str | None, Publisher]:
    try:
        return _publishers(device, max_steps)
    except Exception as error:  # noqa: BLE001 - one device's rows must not end ingest for all
        _log.exception("device_unusable", facility=device.facility, device=device.slug)
        return {device.topic: _unusable(device, error)}


def _publishers(device: read.Device, max_steps: int) -> dict[str | None, Publisher]:
    """Return a device's part at each of its topics; None stands for the native one."""
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
            decode=_decoder(device, channels, max_steps),
            targets=targets,
        )
        for topic, channels in (sharing or {device.topic: []}).items()
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


def _decoder(device: read.Device, channels: Iterable[read.Channel], max_steps: int) -> Decoder:
    try:
        return decoder_for(
            device.format,
            device.spec,
            [channel.spec for channel in channels],
            max_steps=max_steps,
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


def _single(number: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return number


def _target(channel: read.Channel) -> Target:
    first, *later = channel.in_force
    target = _target_of(channel, first)
    if not later:
        return target
    others = tuple((terms.from_us or 0, _target_of(channel, terms)) for terms in later)
    every = (target, *(other for _, other in others))
    interval_s = channel.spec.get("length") if channel.spec.get("stamp") == "end" else None
    return replace(
        target,
        later=others,
        reaches_back_us=round((interval_s or 0.0) * 1e6),
        # what is plain whenever it was measured
        plain_lowest=max(other.plain_lowest for other in every),
        plain_highest=min(other.plain_highest for other in every),
    )


def _target_of(channel: read.Channel, terms: InForce) -> Target:
    lowest, highest = terms.plausible or (-math.inf, math.inf)
    noise, in_unit = terms.noise, terms.as_sent
    if channel.counts_one_way:
        lowest, noise = max(lowest, 0.0), max(noise, _NOISE)
    if in_unit is not None:
        lowest, highest = in_unit.back((lowest, highest))
        noise /= abs(in_unit.scale)
    named = [
        float(value) for value in channel.spec.get("invalid", ()) if not isinstance(value, str)
    ]
    # a device that counts in single precision sends the nearest number that it has
    markers = frozenset(named) | frozenset(map(_single, named))
    return Target(
        facility_id=channel.facility_id,
        channel_id=channel.id,
        slug=channel.slug,
        unit=channel.unit,
        as_sent=in_unit,
        noise=noise,
        # a range that begins at zero says itself that nothing lies below
        counts_one_way=channel.counts_one_way and (terms.range is None or terms.range[0] < 0),
        lowest=max(lowest, -sys.float_info.max),
        highest=min(highest, sys.float_info.max),
        # where the channel names markers each value is compared with them
        plain_lowest=math.inf if markers else max(lowest, -FLOAT_MARKERS_FROM),
        plain_highest=-math.inf if markers else min(highest, FLOAT_MARKERS_FROM),
        markers=markers,
        over_range=channel.over_range(terms),
        alone_until_us=NEWEST_US
        if "since" not in channel.spec
        else to_us(datetime.fromisoformat(channel.spec["since"])),
        holds=channel.kind in {"gauge", "event"},
        corrections=Rule(channel.spec.get("corrections", Rule.BETTER_QUALITY)),
    )


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
