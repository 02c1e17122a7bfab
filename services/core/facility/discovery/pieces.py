"""A candidate as the piece of a facility file that it becomes: a device, and a source for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.core.facility.discovery import families
from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.names import is_export, quantity
from services.core.facility.discovery.patterns import filled, pattern_called
from services.core.facility.discovery.payloads import TimePlace
from services.core.facility.discovery.recognised import KNOWN_AS, Recognised
from services.core.facility.editing.document import EditError
from services.core.facility.editing.patch import Edit

#: Keys of a channel that are about one meter.
_OF_ONE_METER: Final = frozenset({"epochs", "since", "name"})
#: How long a gauge holds unless its file says otherwise; see ``max_gap``.
_HOLDS_S: Final = 300
_LONGEST_HOLD_S: Final = 3600
#: A gauge holds over two readings that are lost.
_GAPS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenChannel:
    """A number of a candidate that becomes a channel, as somebody wants it."""

    topic: str
    path: str
    id: str
    unit: str
    kind: str
    interval_s: float | None = None
    #: id of the channel in its family's file that it is; None: of none
    example: str | None = None
    #: whether its unit is the one that was proposed
    has_proposed_unit: bool = True


def device(
    family: str,
    name: str,
    chosen: Sequence[ChosenChannel],
    learned: Learned,
    *,
    timezone: str,
    document: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the device of a facility file.

    ``timezone``: IANA, of times without an offset. ``document``: the facility's file, of devices at
    topics that others of it share.

    :raises UnitError: a unit is unknown.
    :raises EditError: the device of the file that it is like is not there any more.
    """
    if family == families.FLEET and learned.recognised is not None:
        return _like(name, chosen, learned.recognised, document or {})
    if learned.recognised is not None and any(channel.example for channel in chosen):
        return _of_family(name, chosen, learned.recognised, timezone)
    if family == families.NATIVE:
        return {"id": name, "channels": [_channel(channel, {}) for channel in chosen]}
    if family == families.SPARKPLUG:
        return _of_sparkplug(name, chosen)
    return _of_topics(family, name, chosen, learned.times, timezone)


def _of_topics(
    family: str,
    name: str,
    chosen: Sequence[ChosenChannel],
    times: Mapping[str, TimePlace],
    timezone: str,
) -> dict[str, Any]:
    """Return a device as it was learned from its topics."""
    topics = list(dict.fromkeys(channel.topic for channel in chosen))
    base = _base(topics)
    stamps = {topic: _timestamp(times.get(topic), timezone) for topic in topics}
    is_shared = all(stamps[topic] == stamps[topics[0]] for topic in topics)
    piece: dict[str, Any] = {"id": name}
    if base:
        piece["topic"] = base
    piece["format"] = "senml" if family == families.SENML else "json"
    if is_shared and stamps[topics[0]] and family != families.SENML:
        piece["timestamp"] = stamps[topics[0]]
    piece["channels"] = []
    for channel in chosen:
        extra: dict[str, Any] = {}
        if channel.topic != base:
            extra["topic"] = channel.topic.removeprefix(f"{base}/") if base else channel.topic
        if channel.path != "@":
            extra["from"] = channel.path
        if not is_shared and stamps[channel.topic] and family != families.SENML:
            extra["timestamp"] = stamps[channel.topic]
        piece["channels"].append(_channel(channel, extra))
    return piece


def _of_family(
    name: str, chosen: Sequence[ChosenChannel], recognised: Recognised, timezone: str
) -> dict[str, Any]:
    """Return a device as its family's file has one, with the names of this."""
    pattern = pattern_called(recognised.family, recognised.device)
    statement = filled(pattern, recognised.names)
    stated = {channel["id"]: channel for channel in statement.pop("channels")}
    base = statement.get("topic")
    written_channels: list[dict[str, Any]] = []
    for channel in chosen:
        if channel.example is None:
            extra = {} if channel.topic == base else {"topic": _below(str(base), channel.topic)}
            extra |= {} if channel.path == "@" else {"from": channel.path}
            written_channels.append(_channel(channel, extra))
            continue
        written = {**stated[channel.example], "id": channel.id, "kind": channel.kind}
        if not channel.has_proposed_unit:
            written |= {"unit": channel.unit, "quantity": quantity(channel.unit)}
        written_channels.append(written)
    piece = {"id": name} | {key: part for key, part in statement.items() if key != "id"}
    piece["channels"] = written_channels
    return {key: _in_zone(part, pattern.timezone, timezone) for key, part in piece.items()}


def _like(
    name: str,
    chosen: Sequence[ChosenChannel],
    recognised: Recognised,
    document: Mapping[str, Any],
) -> dict[str, Any]:
    """Return a device as another one of the file is, with the id by which its gateway names it."""
    devices = document.get("devices") or ()
    like = next((one for one in devices if one.get("id") == recognised.device), None)
    if like is None:
        raise EditError(f"device {recognised.device} is not in the file any more; wait for another")
    stated = {channel["id"]: channel for channel in like["channels"]}
    wanted = [
        {
            **{
                key: part
                for key, part in stated[channel.example].items()
                if key not in _OF_ONE_METER
            },
            "id": channel.id,
        }
        for channel in chosen
        if channel.example in stated
    ]
    piece = {"id": name} | {key: part for key, part in like.items() if key not in {"id", "name"}}
    return piece | {"known_as": recognised.names[KNOWN_AS], "channels": wanted}


def _below(base: str, topic: str) -> str:
    return topic.removeprefix(f"{base}/")


def _in_zone(part: Any, stated: str, timezone: str) -> Any:
    """Return a part of a file whose local times are of another zone."""
    if isinstance(part, dict):
        return {
            key: timezone
            if key == "timezone" and value == stated
            else _in_zone(value, stated, timezone)
            for key, value in part.items()
        }
    return [_in_zone(one, stated, timezone) for one in part] if isinstance(part, list) else part


def _of_sparkplug(name: str, chosen: Sequence[ChosenChannel]) -> dict[str, Any]:
    """Return a device whose births were heard at one topic: spBv1.0/group/verb/edge node/device."""
    _, group, _, edge_node, *device_of_it = chosen[0].topic.split("/")
    address = {"group": group, "edge_node": edge_node}
    if device_of_it:
        address["device"] = device_of_it[0]
    return {
        "id": name,
        "format": "sparkplug",
        "sparkplug": address,
        "channels": [_channel(channel, {"from": channel.path}) for channel in chosen],
    }


def source(
    document: Mapping[str, Any], name: str, device_name: str, channel: ChosenChannel, factor: str
) -> dict[str, Any]:
    """Return a source of bought electricity, or of what another source of the factor is."""
    like = next((one for one in _sources(document) if one.get("factor") == factor), {})
    return {
        "id": name,
        "scope": like.get("scope", 2),
        "method": "activity",
        "input": f"{device_name}.{channel.id}",
        "factor": factor,
    }


def counted(chosen: Sequence[ChosenChannel]) -> ChosenChannel | None:
    """Return the channel that a source of electricity is computed from; None: there is none."""
    electric = [
        channel
        for channel in chosen
        if quantity(channel.unit) in {"energy", "power"}
        and not is_export(f"{channel.id} {channel.path}")
    ]
    # a register loses nothing in a gap
    return min(electric, key=lambda channel: channel.kind != "counter", default=None)


def factors(document: Mapping[str, Any]) -> list[str]:
    """Return the factors of a file's electricity, those that most sources have first."""
    named = Counter(
        str(one["factor"])
        for one in _sources(document)
        if one.get("method") == "activity" and one.get("scope") == 2 and one.get("factor")
    )
    return [factor for factor, _ in named.most_common()]


def edits(
    document: Mapping[str, Any],
    piece: Mapping[str, Any],
    new_source: Mapping[str, Any] | None,
) -> list[Edit]:
    """Return what adds a device, or channels to one that is there, and a source to a file."""
    devices = document.get("devices")
    if not isinstance(devices, list):
        made = [Edit(op="add", path="/devices", value=[piece])]
    else:
        place = next((i for i, one in enumerate(devices) if one.get("id") == piece["id"]), None)
        if place is None:
            made = [Edit(op="add", path="/devices/-", value=piece)]
        else:
            made = [
                Edit(op="add", path=f"/devices/{place}/channels/-", value=channel)
                for channel in piece["channels"]
            ]
    if new_source is not None:
        path = "/sources/-" if isinstance(document.get("sources"), list) else "/sources"
        value = new_source if path.endswith("-") else [new_source]
        made.append(Edit(op="add", path=path, value=value))
    return made


def _sources(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    stated = document.get("sources")
    return [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []


def _base(topics: Sequence[str]) -> str:
    """Return the levels that topics share, or the only topic; empty: none."""
    if len(topics) == 1:
        return topics[0]
    levels: list[str] = []
    for parts in zip(*(topic.split("/") for topic in topics), strict=False):
        if len(set(parts)) > 1:
            break
        levels.append(parts[0])
    base = "/".join(levels)
    # a channel's topic is below its device's
    return base.rpartition("/")[0] if base in topics else base


def _timestamp(place: TimePlace | None, timezone: str) -> dict[str, Any]:
    if place is None:
        return {}
    return {"from": place.path} | ({"timezone": timezone} if place.kind == "local" else {})


def _channel(channel: ChosenChannel, extra: Mapping[str, Any]) -> dict[str, Any]:
    written = {
        "id": channel.id,
        **extra,
        "quantity": quantity(channel.unit),
        "unit": channel.unit,
        "kind": channel.kind,
    }
    hold_s = _hold_s(channel)
    return written | ({"max_gap": hold_s} if hold_s is not None else {})


def _hold_s(channel: ChosenChannel) -> int | None:
    """Return how long a gauge that is sent rarely holds, in whole minutes; None: as all do."""
    if channel.kind != "gauge" or channel.interval_s is None:
        return None
    hold_s = min(_LONGEST_HOLD_S, 60 * math.ceil(_GAPS * channel.interval_s / 60))
    return hold_s if hold_s > _HOLDS_S else None
