"""Topics at which many devices publish: whose a message is, by a level of the topic or in it.

See :mod:`services.core.facility.fleets` for how a file says where the id stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from services.core.facility import fleets
from services.core.facility.beside import is_of_mqtt_5
from services.core.facility.mapping_expression import MAX_STEPS
from services.core.facility.topics import ANY
from services.core.store.registry import read
from services.ingest.decode import fleet
from services.ingest.decode.observation import Decoded
from services.ingest.sources.source import Message

Owner = TypeVar("Owner")

#: By facility: the ids whose messages are known not to matter; None: all that nobody has.
Ignored = Mapping[str, frozenset[str] | None]

#: Of an unknown id this much is told.
_SHOWN: Final = 60
_MAX_SHOWN: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Unregistered:
    """Whose a refusal is that names no device: of a facility that shares the topic."""

    facility: str
    device: None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleets(Generic[Owner]):
    """What splits the messages at a topic by the ids in them."""

    parts: tuple[fleet.Fleet[Owner], ...]
    #: by facility that shares the topic: the ids that any device is known by
    facilities: Mapping[str, frozenset[str]]
    ignored: Ignored
    #: the ids of all of them
    known: frozenset[str]

    def decode(
        self, message: Message, received_us: int, *, only: frozenset[str] | None
    ) -> tuple[list[tuple[Owner, Decoded]], set[str]]:
        """Return what each device says, and the ids that nobody is known by.

        ``only``: ids that are meant; None: all.

        :raises UndecodableError: nothing of the message can be used.
        """
        decoded: list[tuple[Owner, Decoded]] = []
        unknown: set[str] = set()
        for part in self.parts:
            devices, ids = part.decode(
                message.payload,
                received_us,
                only=only,
                topic=message.topic,
                properties=message.properties,
            )
            decoded += devices
            unknown |= ids
        return decoded, unknown - self.known

    def without_id(self, unknown: Iterable[str]) -> str:
        """Say why a message has no id where only MQTT 5 could tell one; else empty."""
        if fleet.NO_ID not in unknown:
            return ""
        names = [part.device_from for part in self.parts if is_of_mqtt_5(part.device_from)]
        if not names:
            return ""
        return f"the message came without {', '.join(names)}, which only MQTT 5 carries"

    def refusals(self, unknown: Iterable[str]) -> list[tuple[Unregistered, tuple[str, ...]]]:
        """Return for each facility of the topic the unknown ids that it does not ignore."""
        listed = sorted(unknown)
        refused: list[tuple[Unregistered, tuple[str, ...]]] = []
        for facility in self.facilities:
            ids = tuple(name for name in listed if not _is_ignored(self.ignored, facility, name))
            if ids:
                refused.append((Unregistered(facility=facility), ids))
        return refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing(Generic[Owner]):
    """Who shares a topic."""

    #: whose all of a message is
    owners: tuple[Owner, ...] = ()
    #: None: no id stands in the messages
    fleets: Fleets[Owner] | None = None
    #: the id in the topic that nobody has
    unknown_id: str | None = None
    #: whose matter that is; none: it is ignored
    refused_to: tuple[Unregistered, ...] = ()


@dataclass(kw_only=True, slots=True)
class _Topic(Generic[Owner]):
    """A topic as files write it."""

    levels: Sequence[str]
    #: by the level that the id is: by id those who have it
    by_level: dict[int, dict[str, list[Owner]]] = field(default_factory=dict)
    #: facilities whose devices are told by a level
    facilities: set[str] = field(default_factory=set)
    fleets: dict[str, fleet.Fleet[Owner]] = field(default_factory=dict)
    #: facilities whose devices are told by what stands in a message, with their ids
    fleet_facilities: dict[str, set[str]] = field(default_factory=dict)

    def matches(self, levels: Sequence[str]) -> bool:
        """Whether a topic of as many levels is this one."""
        return all(
            stated in {ANY, level} for stated, level in zip(self.levels, levels, strict=True)
        )


class SharedTopics(Generic[Owner]):
    """All topics that devices with ``known_as`` share."""

    def __init__(self, ignored: Iterable[read.IgnoredIds] = (), *, max_steps: int = MAX_STEPS):
        self._max_steps = max_steps
        self._topics: dict[str, _Topic[Owner]] = {}
        #: the same by first level and number of levels
        self._by_shape: defaultdict[tuple[str, int], list[_Topic[Owner]]] = defaultdict(list)
        self._ignored: dict[str, dict[str, frozenset[str] | None]] = {}
        for entry in ignored:
            by_facility = self._ignored.setdefault(entry.topic, {})
            before = by_facility.get(entry.facility, frozenset())
            by_facility[entry.facility] = (
                None if before is None or entry.ids is None else before | entry.ids
            )

    @property
    def topics(self) -> frozenset[str]:
        """The topics as the files write them."""
        return frozenset(self._topics)

    def add(
        self, topic: str, device: read.Device, channels: Iterable[read.Channel], owner: Owner
    ) -> None:
        """Add what a device with ``known_as`` is at one of its topics.

        :raises ValueError, KeyError, TypeError: its part cannot be used.
        """
        device_from = device.spec.get("device_from")
        if fleets.tells_in_payload(device_from):
            place = self._topic(topic)
            shape = fleet.shape(device.format, device.spec)
            if shape not in place.fleets:
                place.fleets[shape] = fleet.Fleet(
                    device.format, device.spec, max_steps=self._max_steps
                )
            place.fleets[shape].add(owner, device.spec, [channel.spec for channel in channels])
            place.fleet_facilities.setdefault(device.facility, set()).update(device.known_as)
            return
        level = fleets.id_level(device_from, topic)
        if level is None:
            raise ValueError(f"no level of {topic[:60]!r} is the id of a device")
        place = self._topic(topic)
        place.facilities.add(device.facility)
        by_id = place.by_level.setdefault(level, {})
        for known_as in device.known_as:
            by_id.setdefault(known_as, []).append(owner)

    def _topic(self, topic: str) -> _Topic[Owner]:
        place = self._topics.get(topic)
        if place is None:
            levels = topic.split("/")
            place = self._topics[topic] = _Topic(levels=levels)
            self._by_shape[levels[0], len(levels)].append(place)
        return place

    def sharing(self, topic: str) -> Sharing[Owner] | None:
        """Return who shares a topic that a message came at; None: nobody does."""
        levels = topic.split("/")
        places = [
            place
            for place in self._by_shape.get((levels[0], len(levels)), ())
            if (place.by_level or place.fleets) and place.matches(levels)
        ]
        if not places:
            return None
        owners = [
            owner
            for place in places
            for level, by_id in place.by_level.items()
            for owner in by_id.get(levels[level], ())
        ]
        of_messages = self._fleets([place for place in places if place.fleets])
        if owners or of_messages is not None:
            return Sharing(
                owners=tuple({id(owner): owner for owner in owners}.values()), fleets=of_messages
            )
        return self._unknown(levels, places)

    def _fleets(self, places: Sequence[_Topic[Owner]]) -> Fleets[Owner] | None:
        if not places:
            return None
        facilities: dict[str, set[str]] = {}
        for place in places:
            for facility, ids in place.fleet_facilities.items():
                facilities.setdefault(facility, set()).update(ids)
        parts = tuple(part for place in places for part in place.fleets.values())
        return Fleets(
            parts=parts,
            facilities={name: frozenset(ids) for name, ids in sorted(facilities.items())},
            ignored=self._ignored_at(places),
            known=frozenset().union(*(part.ids for part in parts)),
        )

    def _unknown(self, levels: Sequence[str], places: Sequence[_Topic[Owner]]) -> Sharing[Owner]:
        level = next(level for place in places for level in place.by_level)
        known_as = levels[level]
        ignored = self._ignored_at(places)
        facilities = {facility for place in places for facility in place.facilities}
        return Sharing(
            unknown_id=known_as,
            refused_to=tuple(
                Unregistered(facility=facility)
                for facility in sorted(facilities)
                if not _is_ignored(ignored, facility, known_as)
            ),
        )

    def _ignored_at(self, places: Iterable[_Topic[Owner]]) -> Ignored:
        ignored: dict[str, frozenset[str] | None] = {}
        for place in places:
            for facility, ids in self._ignored.get("/".join(place.levels), {}).items():
                before = ignored.get(facility, frozenset())
                ignored[facility] = None if before is None or ids is None else before | ids
        return ignored


def detail(ids: Sequence[str], topic: str) -> str:
    """Say which ids nobody is known by."""
    shown = ", ".join(repr(name[:_SHOWN]) if name else "(no id)" for name in ids[:_MAX_SHOWN])
    more = f" and {len(ids) - _MAX_SHOWN} more" if len(ids) > _MAX_SHOWN else ""
    return f"no device is known as {shown}{more} at {topic[:100]} (known_as)"


def _is_ignored(ignored: Ignored, facility: str, known_as: str) -> bool:
    if facility not in ignored:
        return False
    ids = ignored[facility]
    return ids is None or known_as in ids
