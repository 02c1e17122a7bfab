"""What must hold in a facility file so that devices with a format of their own are understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from services.core.store.registry import facility_model as model

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: Names as RFC 8428 section 4.5.1 allows them, and which number of the record is meant.
_SENML_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*(?:#[vs])?\Z")

#: Topics with a meaning of their own.
_RESERVED: Final = re.compile(r"emissions/[^/]+/(?:[^/]+/(?:readings|status)|alerts/.*)\Z")


def problems(file: model.FacilityFile) -> Iterator[Finding]:
    """Every reason why messages of the file's devices could not be told apart or understood."""
    owners: dict[str, str] = {}
    for i, device in enumerate(file.devices):
        path: Path = ("devices", i)
        yield from _topics(path, file.facility.id, device, owners)
        if device.format == "native":
            yield from _native(path, device)
        elif device.format == "json":
            yield from _json(path, device)
        else:
            yield from _senml(path, device)


def _topics(
    path: Path, facility: str, device: model.Device, owners: dict[str, str]
) -> Iterator[Finding]:
    if device.topic is None and 0 < sum(c.topic is not None for c in device.channels) < len(
        device.channels
    ):
        yield path, f"{device.id} needs a topic for those of its channels that name none"
    native = f"emissions/{facility}/{device.id}/readings"
    for place, topic in _own_topics(path, device):
        if topic != native and _RESERVED.match(topic):
            yield place, f"{topic} is a topic of tonne's own; let {device.id} publish elsewhere"
        owner = owners.setdefault(topic, device.id)
        if owner != device.id:
            yield place, f"{topic} belongs to {owner} already; make it one device with all channels"


def _own_topics(path: Path, device: model.Device) -> Iterator[tuple[Path, str]]:
    for j, channel in enumerate(device.channels):
        topic = model.own_topic(device.topic, channel.topic)
        if topic is not None:
            place = ("channels", j, "topic") if channel.topic is not None else ("topic",)
            yield (*path, *place), topic


def _native(path: Path, device: model.Device) -> Iterator[Finding]:
    what = "maps a foreign payload; the native one tells it itself: remove it, or give a format"
    for key in ("timestamp", "records"):
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} {what}"
    for j, channel in enumerate(device.channels):
        for key in ("topic", "timestamp"):
            if getattr(channel, key) is not None:
                yield (*path, "channels", j, key), f"{key} {what}"


def _json(path: Path, device: model.Device) -> Iterator[Finding]:
    if device.records is not None:
        yield from _expression((*path, "records"), device.records)
    if device.timestamp is not None:
        yield from _expression((*path, "timestamp", "from"), device.timestamp.from_)
    sharing = Counter(model.own_topic(device.topic, channel.topic) for channel in device.channels)
    for j, channel in enumerate(device.channels):
        place = (*path, "channels", j)
        if channel.from_ is not None:
            yield from _expression((*place, "from"), channel.from_)
        elif sharing[model.own_topic(device.topic, channel.topic)] > 1:
            what = f"{channel.id} needs from: where its value stands in the payload, such as"
            yield place, f"{what} ENERGY.Total, or a topic for itself"
        if channel.timestamp is not None:
            yield from _expression((*place, "timestamp", "from"), channel.timestamp.from_)
        if channel.kind == "interval" and channel.timestamp is None and device.timestamp is None:
            what = f"{channel.id} needs timestamp: {{from: ...}}: timed by arrival, an interval"
            yield place, f"{what} that the broker delivers twice would count twice"


def _senml(path: Path, device: model.Device) -> Iterator[Finding]:
    for key in ("timestamp", "records"):
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} maps JSON; SenML tells it itself: remove it"
    taken: dict[tuple[str | None, str], str] = {}
    for j, channel in enumerate(device.channels):
        place = (*path, "channels", j)
        if channel.timestamp is not None:
            yield (*place, "timestamp"), "timestamp maps JSON; SenML tells it itself: remove it"
        name = channel.from_ or channel.id
        if not _SENML_NAME.match(name):
            what = f"{name!r} is no name of a SenML record: letters, digits and - : . / _, with #s"
            yield (*place, "from"), f"{what} behind it for the record's sum"
        record = (model.own_topic(device.topic, channel.topic), name.removesuffix("#v"))
        owner = taken.setdefault(record, channel.id)
        if owner != channel.id:
            yield (*place, "from"), f"{name} feeds {owner} already; one channel is enough"


def _expression(place: Path, text: str) -> Iterator[Finding]:
    try:
        jmespath.compile(text).search({})
    except JMESPathTypeError:
        # a function that finds nothing to work on in an empty payload
        return
    except (JMESPathError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0].rstrip(":.")
        advice = """put keys in double quotes, such as '"1-0:1.8.0".value', where they have other"""
        yield (
            place,
            f"{text!r} is not JMESPath: {reason}; {advice} characters than letters, digits and _",
        )
