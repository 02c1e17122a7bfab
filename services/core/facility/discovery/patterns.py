"""Devices of the families that come with tonne, with what is one device's own in them left open.

A family's file is of devices with names: topics such as ``tele/pow1/SENSOR``, ids in gateways'
messages. Which words of it are such names, the family says beside its messages. A pattern is a
device of a file with its names left open; filled in with others it is a device that speaks alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from services.core.facility.discovery.names import WORD
from services.core.facility.families.catalogue import (
    Family,
    document,
    families,
    family_called,
)
from services.core.facility.mapping_model import word
from services.core.facility.model import own_topic
from services.core.facility.topics import ANY

#: Keys with which a message is several readings, or no JSON.
_SPLITS: Final = frozenset({"records", "columns", "where", "compression"})

#: As a name: the whole topic, which its user chooses.
TOPIC: Final = "topic"

#: A name that is shorter is one only as a whole level: ``2`` is none within ``ch20``.
_SHORT: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicPattern:
    """A topic with its names left open."""

    #: ids of the channels whose values come there
    channels: tuple[str, ...]
    #: None: any topic
    expression: re.Pattern[str] | None
    #: by group of the expression
    names: tuple[str, ...]
    #: as people read it
    text: str
    #: characters that are no name
    closeness: int
    levels: int
    #: the first level; None: it holds a name
    first: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """A device of a family's file."""

    family: str
    device: str
    #: as the file states it
    statement: Mapping[str, Any]
    #: its time zone
    timezone: str
    names: frozenset[str]
    topics: tuple[TopicPattern, ...]
    #: where in each record names stand, by JMESPath: what the file has there
    in_records: Mapping[str, str]
    #: for each of its channels, words of which a payload has all
    words: tuple[tuple[bytes, ...], ...]

    @property
    def is_plain(self) -> bool:
        """Whether a path into the whole message is a channel's, too: it is one reading in JSON."""
        return self.statement["format"] == "json" and not _SPLITS.intersection(self.statement)


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the devices of all families that a message can be compared with."""
    return tuple(pattern for family in families() for pattern in of_family(family))


def of_family(family: Family) -> Iterator[Pattern]:
    """Return the devices of a family that are mapped; other formats say themselves what is what."""
    stated = document(family.text)
    names = family.names
    for device in stated["devices"]:
        if device.get("format", "native") in {"native", "senml", "sparkplug"}:
            continue
        yield _pattern(family, device, stated["facility"]["timezone"], names)


@cache
def pattern_called(family: str, device: str) -> Pattern:
    """Return a device of a family; :class:`KeyError` if there is none."""
    for pattern in of_family(family_called(family)):
        if pattern.device == device:
            return pattern
    raise KeyError(f"{family}.{device}")


def filled(pattern: Pattern, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the device with other names; ``names``: by those of the file, and :data:`TOPIC`."""
    statement = dict(pattern.statement)
    if TOPIC in names:
        statement["topic"] = names[TOPIC]
    elif "topic" in statement:
        statement["topic"] = _renamed(str(statement["topic"]), names)
    if "known_as" in statement:
        statement["known_as"] = _word(statement["known_as"], names)
    if "where" in statement:
        statement["where"] = {
            path: _word(value, names) for path, value in statement["where"].items()
        }
    statement["channels"] = [
        {**channel, "topic": _renamed(str(channel["topic"]), names)}
        if "topic" in channel
        else dict(channel)
        for channel in statement["channels"]
    ]
    return statement


def _pattern(
    family: Family, device: Mapping[str, Any], timezone: str, names: frozenset[str]
) -> Pattern:
    in_payload = str(device.get("device_from", "topic.")).partition(".")[0] != "topic"
    known_as = word(device.get("known_as"))
    if known_as is not None:
        names |= {known_as}
    in_records = {
        path: stated
        for path, value in device.get("where", {}).items()
        if (stated := word(value)) in names and stated is not None
    }
    if in_payload and known_as is not None:
        in_records[str(device["device_from"])] = known_as
    by_topic: dict[str, list[str]] = {}
    for channel in device["channels"]:
        if channel["kind"] == "derived":
            continue
        topic = own_topic(device.get("topic"), channel.get("topic"))
        by_topic.setdefault(str(topic), []).append(channel["id"])
    return Pattern(
        family=family.name,
        device=device["id"],
        statement=device,
        timezone=timezone,
        names=names,
        topics=tuple(
            _topic(topic, tuple(channels), names, None if in_payload else known_as)
            for topic, channels in by_topic.items()
        ),
        in_records=in_records,
        words=tuple(_words(channel) for channel in device["channels"]),
    )


def _topic(
    topic: str, channels: tuple[str, ...], names: frozenset[str], known_as: str | None
) -> TopicPattern:
    groups: list[str] = []
    expression = text = ""
    closeness = 0
    levels = topic.split("/")
    opened = [
        [(known_as, True)] if level == ANY and known_as is not None else list(_parts(level, names))
        for level in levels
    ]
    for i, parts in enumerate(opened):
        expression, text = (expression + "/", text + "/") if i else (expression, text)
        for part, is_name in parts:
            if not is_name:
                expression, text = expression + re.escape(part), text + part
                closeness += len(part)
            elif part in groups:
                expression, text = f"{expression}(?P=n{groups.index(part)})", text + "..."
            else:
                expression, text = f"{expression}(?P<n{len(groups)}>[^/]+)", text + "..."
                groups.append(part)
    is_any = closeness == 0
    return TopicPattern(
        channels=channels,
        expression=None if is_any else re.compile(expression),
        names=() if is_any else tuple(groups),
        text="any topic" if is_any else text,
        closeness=closeness,
        levels=len(levels),
        first=None if is_any or any(is_name for _, is_name in opened[0]) else levels[0],
    )


def _parts(level: str, names: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Return what a level consists of, each part with whether it is a name."""
    if level in names:
        yield level, True
        return
    for name in names:
        if len(name) >= _SHORT and name in level:
            before, _, after = level.partition(name)
            yield from ((before, False), (name, True), (after, False))
            return
    yield level, False


def _renamed(topic: str, names: Mapping[str, str]) -> str:
    known = frozenset(names)
    return "/".join(
        "".join(names[part] if is_name else part for part, is_name in _parts(level, known))
        for level in topic.split("/")
    )


def _word(value: Any, names: Mapping[str, str]) -> Any:
    return names.get(word(value) or "", value)


def _words(channel: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return the words of a channel's path that a payload in JSON has, if it has the channel."""
    stated = str(channel.get("from", ""))
    # what is chosen from is not all there
    paths = [stated.partition("||")[0]]
    ids: list[str] = []
    for path, value in channel.get("where", {}).items():
        paths.append(path)
        ids += [] if isinstance(value, list) else [word(value) or ""]
    words = [name for path in paths for name in WORD.findall(path) if not name.isdigit()]
    return tuple(name.encode() for name in (*words, *ids))
