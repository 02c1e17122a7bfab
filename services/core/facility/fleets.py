"""Topics that many devices share: where in a message the id stands that says whose it is.

``device_from`` is ``topic.N``, a level of the topic counted from 0, or JMESPath to the id in each
record, or ``cell.N``, a cell of each line counted from 1 (:mod:`.cell_names`), or what MQTT 5 says
beside them (:mod:`.beside`); without it the id is the one level of the
topic that is ``+``. ``keys(@)`` says that records stand under the ids as keys of an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from services.core.facility import mapping_expression
from services.core.facility.beside import level_of
from services.core.facility.cell_names import cell_of, is_like_cell
from services.core.facility.devices import Device, IgnoredIds
from services.core.facility.mapping_model import MAPPED
from services.core.facility.topics import ANY, READINGS_ROOT

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: As ``device_from``: the records stand under the ids, as values of an object.
BY_KEY: Final = "keys(@)"

#: What an id that is a level of a topic cannot hold.
_NOT_IN_LEVELS: Final = re.compile(r"[/+#]")


def is_pattern(topic: str) -> bool:
    """Whether a topic has a level that stands for any."""
    return ANY in topic.split("/")


def id_level(device_from: str | None, topic: str) -> int | None:
    """Return the level of the topic that is the id, counted from 0; None: none is.

    A stated file names one that is ``+`` (:func:`problems`).
    """
    levels = topic.split("/")
    if device_from is None:
        return levels.index(ANY) if ANY in levels else None
    level = level_of(device_from)
    return level if level is not None and level < len(levels) and levels[level] == ANY else None


def tells_in_payload(device_from: str | None) -> bool:
    """Whether the id of a device stands in the payload."""
    return device_from is not None and level_of(device_from) is None


def exact(topic: str, level: int, known_as: str) -> str:
    """Return a topic with the id in its level."""
    levels = topic.split("/")
    return "/".join([*levels[:level], known_as, *levels[level + 1 :]])


def topics_of(topic: str, device_from: str | None, known_as: Iterable[str]) -> tuple[str, ...]:
    """Return the topics of a device, each with one of its ids where its level is."""
    level = id_level(device_from, topic)
    return (topic,) if level is None else tuple(exact(topic, level, name) for name in known_as)


def covers(pattern: str, topic: str) -> bool:
    """Whether a topic is one that a pattern stands for."""
    stated, levels = pattern.split("/"), topic.split("/")
    return len(stated) == len(levels) and all(
        wanted in {ANY, level} for wanted, level in zip(stated, levels, strict=True)
    )


def problems(path: Path, device: Device, topics: dict[str, Path]) -> Iterator[Finding]:
    """Every reason why messages at topics that devices share could not be told apart.

    ``topics``: those of the device, each with where the file states it.
    """
    for topic, place in topics.items():
        yield from _pattern(device, topic, place)
    in_payload = tells_in_payload(device.device_from)
    if device.known_as is None:
        if device.device_from is not None:
            need = f"{device.id} has device_from and needs known_as: the id that stands there for"
            yield (*path, "device_from"), f"{need} it, such as known_as: a1b2"
        return
    if in_payload:
        yield from _in_payload(path, device)
    elif not any(map(is_pattern, topics)):
        mistake = f"known_as of {device.id} stands nowhere: give the topic a level +, such as"
        yield (*path, "known_as"), f"{mistake} gw/+/telemetry, or say device_from"
    else:
        for known_as in device.known_as:
            if _NOT_IN_LEVELS.search(known_as):
                mistake = f"{known_as[:60]!r} cannot be a level of a topic"
                yield (*path, "known_as"), f"{mistake}: a level has no /, + and #"


def _pattern(device: Device, topic: str, place: Path) -> Iterator[Finding]:
    levels = topic.split("/")
    number = levels.count(ANY)
    stated = None if device.device_from is None else level_of(device.device_from)
    if stated is not None and id_level(device.device_from, topic) is None:
        listed = ", ".join(f"topic.{i} is {level}" for i, level in enumerate(levels[:10]))
        mistake = f"{device.device_from} is no level + of {topic[:60]} ({listed[:200]})"
        yield place, f"{mistake}: write + where the id stands, and name that level"
    if number == 0:
        return
    if device.known_as is None:
        need = f"{topic[:60]} has a level +, and {device.id} needs known_as: the id that stands"
        yield place, f"{need} there, such as known_as: a1b2; or write the topic out"
    if number > 1 and device.device_from is None:
        need = f"{topic[:60]} has {number} levels +, and {device.id} needs device_from: topic.N,"
        yield place, f"{need} the level that is its id, counted from 0"
    if levels[0] == ANY:
        mistake = f"{topic[:60]} begins with +, so that ingest would hear everything"
        yield place, f"{mistake}: write the first level out, with a topic for each device"
    if levels[0] == READINGS_ROOT:
        mistake = f"{topic[:60]} is below {READINGS_ROOT}/, where each device has its topic"
        yield place, f"{mistake}: write it out, or let the devices publish elsewhere"


def _in_payload(path: Path, device: Device) -> Iterator[Finding]:
    if device.device_from is None:
        return
    place = (*path, "device_from")
    if device.format not in MAPPED:
        mistake = f"device_from is looked for in records of {', '.join(sorted(MAPPED))}"
        yield place, f"{mistake}; with {device.format} it is a level of the topic, topic.N"
        return
    if device.topic is None and any(channel.topic is None for channel in device.measured):
        need = f"{device.id} shares no topic yet"
        yield place, f"{need}: say topic, where the messages of all these devices come"
    if device.device_from == BY_KEY or cell_of(device.device_from) is not None:
        return
    try:
        mapping_expression.check(device.device_from)
    except mapping_expression.ExpressionError as error:
        if is_like_cell(device.device_from):
            yield place, f"{device.device_from} is no cell of a line: they are counted from 1"
            return
        mistake = f"{device.device_from!r} is neither topic.N nor JMESPath: {error}"
        yield place, f"{mistake}; name where in a record the id stands, such as deviceInfo.devEui"
    except mapping_expression.OverBudgetError as error:
        yield place, f"{device.device_from[:60]!r} cannot be taken: {error}"


def problems_of_ignored(
    ignored: tuple[IgnoredIds, ...], devices: dict[str, set[str]]
) -> Iterator[Finding]:
    """Every reason why ids could not be ignored; ``devices``: by topic the ids that are known."""
    for i, entry in enumerate(ignored):
        known = devices.get(entry.topic)
        if known is None:
            mistake = f"no device with known_as takes messages at {entry.topic[:60]}"
            yield ("ignored_ids", i, "topic"), f"{mistake}: write the topic as its devices do"
            continue
        for name in sorted(known.intersection(entry.ids or ())):
            mistake = f"a device is known as {name[:60]} at {entry.topic[:60]}"
            yield ("ignored_ids", i, "ids"), f"{mistake}: take it out of ids, or out of devices"
