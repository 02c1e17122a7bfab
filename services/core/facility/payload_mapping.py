"""What must hold in a facility file so that devices with a format of their own are understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from services.core.accounting.units import UnitError, conversion
from services.core.facility import (
    connection_checks,
    fleets,
    hj212_mapping,
    mapping_expression,
    model,
    senml_names,
    sparkplug_checks,
    time_messages,
)
from services.core.facility.beside import level_of, named
from services.core.facility.cell_names import cell_of, is_like_cell, name_cells
from services.core.facility.channels import A_KIND
from services.core.facility.connections import CONNECTED
from services.core.facility.mapping_model import MAPPED, Quality, Timestamp, UnitFrom
from services.core.facility.topics import ANY, readings_topic

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: Names as RFC 8428 section 4.5.1 allows them, and which number of the record is meant.
_SENML_NAME: Final = re.compile(rf"{senml_names.NAME}(?:#[vs])?\Z")

#: Keys of a channel that map JSON.
_OF_JSON: Final = ("timestamp", "where", "quality", "number", "cell", "bytes", "unit_from")
#: Keys of a device that do.
_OF_JSON_DEVICE: Final = ("timestamp", "records", "columns", "where", "quality", "delimiter")

#: Topics with a meaning of their own.
_RESERVED: Final = re.compile(
    r"emissions/[^/]+/(?:[^/]+/(?:readings|status)|alerts/.*|totals|factors/[^/]+/values)\Z"
)


#: As brokers in the cloud have it; those that run on a machine of one's own take more.
_LONGEST_TOPIC_BYTES: Final = 256

#: A topic, the format of its messages, and what is selected of them.
_Taken = tuple[str, str, str | None, str, str]


def problems(file: model.FacilityFile) -> Iterator[Finding]:
    """Every reason why messages of the file's devices could not be distinguished or understood."""
    takers: dict[_Taken, str] = {}
    metrics: dict[sparkplug_checks.Metric, str] = {}
    fleet_ids: dict[str, dict[str, str]] = {}
    for i, device in enumerate(file.devices):
        path: Path = ("devices", i)
        topics = _stated_topics(path, device)
        yield from fleets.problems(path, device, topics)
        yield from time_messages.problems(path, device, topics)
        same_id = list(_same_id(path, device, topics, fleet_ids))
        yield from same_id
        # which of its values are another device's follows from that
        yield from _topics(path, file.facility.id, device, {} if same_id else takers)
        if device.sparkplug is not None and device.format != "sparkplug":
            yield (*path, "sparkplug"), "sparkplug needs format: sparkplug beside it"
        yield from connection_checks.misplaced(path, device)
        if device.format == "native":
            yield from _native(path, device)
        elif device.format == "hj212":
            yield from hj212_mapping.problems(path, device)
            yield from _json(path, device)
        elif device.format in MAPPED:
            yield from _json(path, device)
        elif device.format == "sparkplug":
            yield from sparkplug_checks.problems(
                path,
                device,
                metrics,
                device_keys=(*_OF_JSON_DEVICE, "compression", "known_as", "device_from"),
                channel_keys=("topic", *_OF_JSON),
            )
        elif device.format in CONNECTED:
            yield from connection_checks.problems(
                path,
                device,
                device_keys=(*_OF_JSON_DEVICE, "compression", "known_as", "device_from"),
                channel_keys=("topic", *_OF_JSON),
            )
        else:
            yield from _senml(path, device)
    known = {topic: set(owners) for topic, owners in fleet_ids.items()}
    yield from fleets.problems_of_ignored(file.ignored_ids or (), known)


def _stated_topics(path: Path, device: model.Device) -> dict[str, Path]:
    """Return the device's own topics, each with where the file states it."""
    places: dict[str, Path] = {}
    for j, channel in device.numbered:
        topic = model.own_topic(device.topic, channel.topic)
        if topic is not None:
            stated_by_channel = channel.topic is not None
            place = (*path, "channels", j, "topic") if stated_by_channel else (*path, "topic")
            places.setdefault(topic, place)
    return places


def _same_id(
    path: Path, device: model.Device, topics: Iterable[str], owners: dict[str, dict[str, str]]
) -> Iterator[Finding]:
    """Find ids that two devices share at one topic; ``owners``: by topic and id the device."""
    for known_as in device.known_as or ():
        for topic in topics:
            owner = owners.setdefault(topic, {}).setdefault(known_as, device.id)
            if owner != device.id:
                mistake = (
                    f"{device.id} and {owner} are both known as {known_as[:60]} at {topic[:60]}"
                )
                advice = "give each its own id, or make them one device with the channels of both"
                yield (*path, "known_as"), f"{mistake}: {advice}"
                break


def _topics(
    path: Path, facility: str, device: model.Device, takers: dict[_Taken, str]
) -> Iterator[Finding]:
    if device.topic is None and 0 < sum(c.topic is not None for c in device.measured) < len(
        device.measured
    ):
        yield path, f"{device.id} needs a topic for those of its channels that name none"
    native = readings_topic(facility, device.id)
    for j, channel in device.numbered:
        topic = model.own_topic(device.topic, channel.topic)
        if topic is None:
            continue
        place = (*path, "channels", j, "topic") if channel.topic is not None else (*path, "topic")
        if topic != native and _RESERVED.match(topic):
            yield place, f"{topic} is a topic of tonne's own; let {device.id} publish elsewhere"
        if topic.startswith("$"):
            yield place, f"{topic[:60]} begins with $, which brokers keep for themselves"
        longest_id = max(map(len, map(str.encode, device.known_as or ("",))))
        if len(topic.encode()) + (longest_id if ANY in topic else 0) > _LONGEST_TOPIC_BYTES:
            mistake = f"{topic[:60]}... has {len(topic.encode())} bytes"
            yield place, f"{mistake}; a topic has at most {_LONGEST_TOPIC_BYTES}"
        taken = [
            takers.setdefault(_taken(name, known_as, device, channel), f"{device.id}.{channel.id}")
            for name, known_as in _by_id(topic, device)
        ]
        taker = next((other for other in taken if other.partition(".")[0] != device.id), None)
        if taker is not None:
            mistake = f"{device.id}.{channel.id} takes from {topic} the same value as {taker}"
            advice = "let each device of a topic select its own, or make it one device"
            yield (*path, "channels", j), f"{mistake}, which would count twice; {advice}"


def _by_id(topic: str, device: model.Device) -> Iterator[tuple[str, str | None]]:
    """Return the topic for each id of the device, and the id where the payload tells it."""
    level = fleets.id_level(device.device_from, topic)
    for known_as in device.known_as or (None,):
        if known_as is None or level is None:
            yield topic, known_as
        else:
            yield fleets.exact(topic, level, known_as), None


def _taken(
    topic: str, known_as: str | None, device: model.Device, channel: model.Channel
) -> _Taken:
    """Return what a channel takes of the messages at a topic."""
    if device.format in MAPPED:
        first_byte = None if channel.bytes is None else channel.bytes.from_byte
        which = (device.columns, device.where, channel.where, channel.cell, first_byte, known_as)
        chosen = repr(which)
        return topic, device.format, device.records, channel.from_ or "@", chosen
    if device.format == "senml":
        return topic, device.format, None, (channel.from_ or channel.id).removesuffix("#v"), ""
    return topic, device.format, None, channel.id, ""


def _native(path: Path, device: model.Device) -> Iterator[Finding]:
    advice = "maps a foreign payload; the native one tells it itself: remove it, or give a format"
    for key in _OF_JSON_DEVICE:
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} {advice}"
    for j, channel in device.numbered:
        for key in ("topic", *_OF_JSON):
            if getattr(channel, key) is not None:
                yield (*path, "channels", j, key), f"{key} {advice}"


def _json(path: Path, device: model.Device) -> Iterator[Finding]:
    levels = _levels(device)
    if device.delimiter is not None and not _names_cells(device):
        yield (*path, "delimiter"), "delimiter parts the cells of a text, and no cell is named"
    if device.records is not None:
        yield from _expression((*path, "records"), device.records, levels)
        if named(device.records) is not None:
            mistake = f"{device.records[:60]} stands beside the payload, and records are in it"
            yield (*path, "records"), f'{mistake}; a key of the payload is written in quotes: "a".b'
    yield from _columns((*path, "columns"), device, levels)
    yield from _expressions(path, device, levels)
    sharing = Counter(model.own_topic(device.topic, channel.topic) for channel in device.measured)
    for j, channel in device.numbered:
        place = (*path, "channels", j)
        if channel.from_ is not None:
            yield from _expression((*place, "from"), channel.from_, levels)
        elif (
            device.format != "hj212"
            and sharing[model.own_topic(device.topic, channel.topic)] > 1
            and channel.cell is None
            and channel.bytes is None
        ):
            need = f"{channel.id} needs from: where its value stands in the payload, such as"
            yield place, f"{need} ENERGY.Total, or a topic for itself"
        yield from _expressions(place, channel, levels)
        yield from _ways_of_reading(place, channel)
        if (
            channel.kind in {"interval", "event"}
            and channel.timestamp is None
            and device.timestamp is None
            # each of its lines, or frames, has its time
            and device.format not in {"line-protocol", "hj212"}
        ):
            kind = A_KIND[channel.kind]
            need = f"{channel.id} needs timestamp: {{from: ...}}: timed by arrival, {kind}"
            yield place, f"{need} that the broker delivers twice would count twice"


def _levels(device: model.Device) -> int:
    """Return how many levels each of a device's topics has at least."""
    topics = (model.own_topic(device.topic, channel.topic) for channel in device.measured)
    return min((topic.count("/") + 1 for topic in topics if topic is not None), default=4)


def _senml(path: Path, device: model.Device) -> Iterator[Finding]:
    for key in _OF_JSON_DEVICE:
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} maps JSON; SenML tells it itself: remove it"
    taken: dict[tuple[str | None, str], str] = {}
    for j, channel in device.numbered:
        place = (*path, "channels", j)
        for key in _OF_JSON:
            if getattr(channel, key) is not None:
                yield (*place, key), f"{key} maps JSON; SenML tells it itself: remove it"
        name = channel.from_ or channel.id
        if not _SENML_NAME.match(name):
            mistake = (
                f"{name!r} is no name of a SenML record: letters, digits and - : . / _, with #s"
            )
            yield (*place, "from"), f"{mistake} behind it for the record's sum"
        record = (model.own_topic(device.topic, channel.topic), name.removesuffix("#v"))
        owner = taken.setdefault(record, channel.id)
        if owner != channel.id:
            yield (*place, "from"), f"{name} feeds {owner} already; one channel is enough"


def _names_cells(device: model.Device) -> bool:
    """Whether a device, or one of its channels, names a cell of a text."""
    apart = [device.device_from or "", *(device.where or ())]
    for channel in device.measured:
        apart += channel.where or ()
    return name_cells(apart) or any(part.cell for part in _with_cells(device))


def _with_cells(device: model.Device) -> Iterator[model.Channel | Timestamp | Quality | UnitFrom]:
    """Find all parts of a device that may name a cell."""
    yield from device.measured
    sides = [device.timestamp, device.quality]
    for channel in device.measured:
        sides += [channel.timestamp, channel.quality]
        if channel.unit_from is not None:
            yield channel.unit_from
    yield from (side for side in sides if side is not None)


def _ways_of_reading(path: Path, channel: model.Channel) -> Iterator[Finding]:
    """Find keys of one value that exclude each other."""
    packed, number = channel.bytes, channel.number
    has_suffix = channel.unit_from is not None and channel.unit_from.suffix is not None
    if packed is not None and number is not None:
        mistake = "number reads text, and bytes says how the number is packed"
        yield (*path, "number"), f"{mistake}: remove one of the two"
    if has_suffix and (packed is not None or number == "hex"):
        mistake = "suffix is a unit behind decimal digits"
        yield (*path, "unit"), f"{mistake}: say from, where the unit stands, or the unit itself"
    if channel.cell is not None and packed is not None and packed.written == "registers":
        mistake = "cell is one of a text, and registers are an array"
        yield (*path, "cell"), f"{mistake}: remove one of the two"


def _expressions(path: Path, part: model.Device | model.Channel, levels: int) -> Iterator[Finding]:
    for text in part.where or ():
        if cell_of(text) is None:
            yield from _expression((*path, "where"), text, levels)
    if part.timestamp is not None:
        yield from _expression((*path, "timestamp", "from"), part.timestamp.from_, levels)
    if part.quality is not None:
        yield from _expression((*path, "quality", "from"), part.quality.from_, levels)
    if isinstance(part, model.Channel) and part.unit_from is not None:
        if part.unit_from.from_ is not None:
            yield from _expression((*path, "unit", "from"), part.unit_from.from_, levels)
        for unit in (part.unit_from.map or {}).values():
            try:
                conversion(unit, part.unit)
            except UnitError as error:
                yield (*path, "unit", "map"), str(error)


def _columns(path: Path, device: model.Device, levels: int) -> Iterator[Finding]:
    if isinstance(device.columns, str):
        yield from _expression(path, device.columns, levels)
        if device.records is None:
            yield path, "columns names the places of records: say records: where the rows stand"
    else:
        for text in (device.columns or {}).values():
            yield from _expression(path, text, levels)


def _expression(place: Path, text: str, levels: int) -> Iterator[Finding]:
    """Find what is wrong with an expression at topics of so many ``levels`` at least."""
    level = level_of(text)
    if level is not None and level >= levels:
        mistake = f"{text} is no level of the topic, which has {levels}"
        yield place, f"{mistake}: they are counted from 0"
    try:
        mapping_expression.check(text)
    except mapping_expression.ExpressionError as error:
        if is_like_cell(text):
            mistake = f"{text} names no cell here: where and device_from name one of a line,"
            yield place, f"{mistake} counted from 1, and elsewhere cell is a key, such as cell: 2"
            return
        advice = """put keys in double quotes, such as '"1-0:1.8.0".value', where they have other"""
        yield (
            place,
            f"{text!r} is not JMESPath: {error}; {advice} characters than letters, digits and _",
        )
    except mapping_expression.OverBudgetError as error:
        yield place, f"{text[:60]!r} cannot be taken: {error}"
