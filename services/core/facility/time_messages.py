"""Devices whose time comes in a message of its own: where, and what must hold then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.core.facility import fleets
from services.core.facility.channels import A_KIND
from services.core.facility.devices import Device

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: A value so long after the time counts by its arrival, unless the file says otherwise.
WITHIN_S: Final = 60.0


def time_topic(device_topic: str | None, timestamp: Mapping[str, Any] | None) -> str | None:
    """Return the topic at which a device's time comes alone; None: it is in its messages."""
    stated = None if timestamp is None else timestamp.get("topic")
    if stated is None or device_topic is None:
        return stated
    return f"{device_topic}/{stated}"


def problems(path: Path, device: Device, topics: Mapping[str, Path]) -> Iterator[Finding]:
    """Every reason why values could not have the time of a message before them.

    ``topics``: those of the device's values.
    """
    for j, channel in device.numbered:
        if channel.timestamp is not None and channel.timestamp.topic is not None:
            place = (*path, "channels", j, "timestamp", "topic")
            yield place, "topic belongs to the timestamp of the device, whose channels share it"
    timestamp = device.timestamp
    if timestamp is None:
        return
    place = (*path, "timestamp", "topic")
    if timestamp.topic is None:
        if timestamp.within is not None:
            mistake = "within says how long the time of a message before holds"
            yield (*path, "timestamp", "within"), f"{mistake}: say topic, where that comes"
        return
    yield from _topic(place, device, timestamp.topic, topics)
    for key in ("stands_in", "step"):
        if getattr(timestamp, key) not in {None, "record"}:
            yield (*path, "timestamp", key), f"{key} is of a time in the values' message; remove it"
    for j, channel in device.numbered:
        if channel.kind in {"interval", "event"} and channel.timestamp is None:
            mistake = f"{channel.id} needs its time in its own message: one that came before"
            kind = A_KIND[channel.kind]
            yield (
                (*path, "channels", j),
                f"{mistake} cannot be told to be its own, and {kind} would count twice",
            )


def _topic(
    place: Path, device: Device, stated: str, topics: Mapping[str, Path]
) -> Iterator[Finding]:
    topic = time_topic(device.topic, {"topic": stated}) or stated
    if topic in topics:
        yield place, f"at {topic[:60]} values come: let from say where in them the time stands"
    shape = _shape(topic)
    other = next((name for name in topics if _shape(name) != shape), None)
    if other is not None:
        mistake = f"{topic[:60]} and {other[:60]} differ in their first level or number of levels"
        advice = "brokers keep messages in order within these: leave topic out, and values are"
        yield place, f"{mistake}: {advice} timed by their arrival"
    if fleets.tells_in_payload(device.device_from):
        mistake = f"{device.device_from} tells devices apart within a message"
        yield place, f"{mistake}, where their times stand, too: let from say where"


def _shape(topic: str) -> tuple[str, int]:
    levels = topic.split("/")
    return levels[0], len(levels)
