"""The page of every key that maps messages: its unit, an example, and what it is refused for.

Examples are those of the model's fields. What a refusal says is what it says: each wrong value
goes through the parser while the page is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from deploy.reference.markdown import code, page, table
from services.core.facility.channels import Channel
from services.core.facility.connections import P1, Modbus, Register
from services.core.facility.devices import Device, IgnoredIds
from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse
from services.core.facility.headings import anchor, headings, keys
from services.core.facility.mapping_model import Bytes, Quality, Timestamp, UnitFrom
from services.core.facility.written import flow

_IDS: Final = {"known_as": "a1b2"}

_VALUE: Final = {"id": "energy", "quantity": "energy", "unit": "kWh", "kind": "counter"}


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingKey:
    """What the page says of a key beside what the model's field says."""

    part: type[BaseModel]
    name: str
    #: of its value
    unit: str
    #: a value that is refused
    wrong: Any
    #: keys that stand beside it, in the same part
    beside: Mapping[str, Any] = field(default_factory=dict)
    #: the same beside the wrong value; None: as above
    beside_wrong: Mapping[str, Any] | None = None


def _key(part: type[BaseModel], name: str, unit: str, wrong: Any, **more: Any) -> MappingKey:
    return MappingKey(part=part, name=name, unit=unit, wrong=wrong, **more)


#: In the order of the page.
MAPPING_KEYS: Final = (
    _key(Device, "topic", "text", "tele/#"),
    _key(Device, "format", "one of these", "xml"),
    _key(
        Device, "sparkplug", "names of Sparkplug", {"group": "Linz"},
        beside={"format": "sparkplug", "topic": None},
    ),
    _key(
        Device, "p1", "keys, below", {"host": "192.168.1.30"},
        beside={"format": "p1", "topic": None, "channels": [{**_VALUE, "from": "1-0:1.8.1"}]},
    ),
    _key(
        Device, "modbus", "keys, below", {"unit": 1},
        beside={
            "format": "modbus", "topic": None,
            "channels": [{**_VALUE, "register": {"address": 0}}],
        },
    ),
    _key(Device, "compression", "one of these", "zip"),
    _key(Device, "known_as", "text, or a list of it", "a/1", beside={"topic": "gw/+/up"}),
    _key(
        Device, "device_from", "topic.N or JMESPath", "topic.0",
        beside={"topic": "gw/+/up", **_IDS},
    ),
    _key(Device, "records", "JMESPath", "values["),
    _key(Device, "columns", "JMESPath by name", {"v": "values["}),
    _key(Device, "where", "words by JMESPath", {"id": []}),
    _key(Device, "timestamp", "keys, below", {"zone": "UTC"}),
    _key(Device, "quality", "keys, below", {"from": "q"}),
    _key(Device, "delimiter", "one character", "ab"),
    _key(IgnoredIds, "topic", "text", "plant/gw2/meters"),
    _key(IgnoredIds, "ids", "list of text", ["a1b2"]),
    _key(Timestamp, "from", "JMESPath", "time["),
    _key(Timestamp, "timezone", "name of IANA", "CET+1"),
    _key(Timestamp, "unit", "one of these", "min"),
    _key(Timestamp, "format", "as strptime has it", "%H:%M"),
    _key(Timestamp, "number", "one of these", "octal"),
    _key(Timestamp, "cell", "place, from 1", 0),
    _key(Timestamp, "invalid", "list of times as sent", []),
    _key(Timestamp, "stands_in", "one of these", "topic"),
    _key(Timestamp, "step", "duration: s, or 5m", "5 meters"),
    _key(
        Timestamp, "order", "one of these", "newest-first",
        beside={"step": "5m"}, beside_wrong={},
    ),
    _key(Timestamp, "place", "one of these", "last", beside={"step": "5m"}, beside_wrong={}),
    _key(Timestamp, "topic", "text", "time/#"),
    _key(
        Timestamp, "within", "duration: s, or 10s", "10s",
        beside={"topic": "timestamp"}, beside_wrong={},
    ),
    _key(Quality, "from", "JMESPath", "status["),
    _key(Quality, "cell", "place, from 1", 0),
    _key(Quality, "map", "a quality by word", {"ok": "fine"}),
    _key(Quality, "default", "one of these", "fine"),
    _key(UnitFrom, "from", "JMESPath", "unit["),
    _key(UnitFrom, "cell", "place, from 1", 0),
    _key(UnitFrom, "suffix", "true", False),
    _key(UnitFrom, "map", "a unit by word", {"kW": "m3"}),
    _key(P1, "host", "name or address", "http://meter"),
    _key(P1, "port", "number", 0),
    _key(P1, "every", "duration: s, or 10s", "10 meters"),
    _key(P1, "timezone", "name of IANA", "CET+1"),
    _key(P1, "key_env", "name of a variable", "PASSWORD"),
    _key(Modbus, "host", "name or address", "192.168.1.40:502"),
    _key(Modbus, "port", "number", 70_000),
    _key(Modbus, "unit", "number", 256),
    _key(Modbus, "every", "duration: s, or 1m", "1s"),
    _key(Modbus, "timeout", "duration: s, or 3s", "1m"),
    _key(Modbus, "transport", "one of these", "udp"),
    _key(Modbus, "pause", "s", -1),
    _key(Register, "address", "number, from 0", 70_000),
    _key(Register, "function", "one of these", "coil"),
    _key(Register, "type", "one of these", "float16"),
    _key(Register, "byte_order", "one of these", "middle"),
    _key(Register, "word_order", "one of these", "middle"),
    _key(Register, "power_of_ten", "number, from 0", -1),
    _key(Bytes, "written", "one of these", "ascii"),
    _key(Bytes, "type", "one of these", "float16"),
    _key(Bytes, "from_byte", "bytes", -1),
    _key(Bytes, "byte_order", "one of these", "middle"),
    _key(Bytes, "word_order", "one of these", "middle"),
    _key(Channel, "topic", "text", "total/#"),
    _key(Channel, "from", "JMESPath", "ENERGY["),
    _key(Channel, "where", "words by JMESPath", {"id[": ["m1"]}),
    _key(Channel, "timestamp", "keys, above", {"from": "time", "unit": "min"}),
    _key(Channel, "quality", "keys, above", {"from": "q", "map": {}}),
    _key(Channel, "number", "one of these", "octal"),
    _key(Channel, "cell", "place, from 1", 0),
    _key(Channel, "bytes", "keys, above", {"written": "base64"}),
    _key(
        Channel, "register", "keys, above", {"address": 40_001, "type": "float16"},
    ),
    _key(Channel, "unit", "a unit of the quantity", "m3"),
    _key(Channel, "invalid", "list, as sent", [[1]]),
    _key(Channel, "scale", "the unit's worth of one that is sent", 0),
    _key(
        Channel, "offset", "the channel's unit", -25,
        beside={"kind": "gauge", "quantity": "power", "unit": "kW"},
        beside_wrong={},
    ),
    _key(Channel, "direction", "one of these", "both"),
    _key(Channel, "corrections", "one of these", "best"),
)  # fmt: skip

#: Parts without which a key would stand alone.
_PARTS: Final[Mapping[type[BaseModel], Mapping[str, Any]]] = {
    Timestamp: {"from": "time"},
    Quality: {"from": "q", "map": {"ok": "good"}},
    UnitFrom: {"from": "unit", "default": "kWh"},
    Bytes: {"written": "base64", "type": "float32"},
    IgnoredIds: {"topic": "plant/gw1/meters"},
    P1: {"host": "192.168.1.30", "port": 23},
    Modbus: {"host": "192.168.1.40"},
    Register: {"address": 0},
}


def example(key: MappingKey) -> Any:
    """Return the example of a key, as the model has it."""
    fields = dict(keys(key.part))
    listed = fields[key.name].examples if key.name in fields else None
    if not listed:
        raise ValueError(f"{key.part.__name__}.{key.name} has no example")
    return listed[0]


def file_with(key: MappingKey, value: Any, *, is_wrong: bool = False) -> str:
    """Return a facility file that states a value for the key, as JSON."""
    beside = key.beside_wrong if is_wrong and key.beside_wrong is not None else key.beside
    stated = {**_PARTS.get(key.part, {}), **beside, key.name: value}
    if key.part is UnitFrom and key.name == "suffix":
        stated.pop("from")
    channel: dict[str, Any] = {**_VALUE, "from": "kwh"}
    device: dict[str, Any] = {"id": "meter", "topic": "hall/meter", "format": "json"}
    more: dict[str, Any] = {}
    if key.part in {P1, Modbus, Register} or key.name == "register":
        device, channel = _connected(key, stated)
    elif key.part is Device:
        device |= stated
    elif key.part is Channel:
        channel |= stated
    elif key.part is IgnoredIds:
        device |= {"topic": "plant/gw1/meters", "device_from": "macid", **_IDS}
        more["ignored_ids"] = [stated]
    elif key.part is UnitFrom:
        channel["unit"] = stated
    elif key.part is Bytes:
        channel["bytes"] = stated
    else:
        device[key.part.__name__.lower()] = stated
    if "topic" in device.get("timestamp", {}):
        channel |= {"topic": "energy"}
    if device.get("delimiter") is not None:
        channel |= {"cell": 2}
    file = {
        "facility": {"id": "hall", "name": "Hall", "timezone": "UTC"},
        "devices": [{"channels": [channel], **device}],
        **more,
    }
    return json.dumps(file)


def _connected(key: MappingKey, stated: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a device that ingest connects to, and its channel."""
    if key.part is P1:
        return {"id": "meter", "format": "p1", "p1": stated}, {**_VALUE, "from": "1-0:1.8.1"}
    register = {
        Channel: stated.get("register"), Register: stated, Modbus: _PARTS[Register]
    }[key.part]  # fmt: skip
    modbus = stated if key.part is Modbus else _PARTS[Modbus]
    return (
        {"id": "meter", "format": "modbus", "modbus": modbus},
        {**_VALUE, "register": register},
    )


def refusal(key: MappingKey) -> str:
    """Return what a file with the wrong value is refused for.

    :raises ValueError: it is not refused.
    """
    try:
        parse(file_with(key, key.wrong, is_wrong=True))
    except FacilityFileError as error:
        return error.problems[0].message
    raise ValueError(f"{key.part.__name__}.{key.name}: {key.wrong!r} is not refused")


def page_of_mapping_keys() -> str:
    """Return the page: each key that maps messages, by the part that it stands in."""
    parts = dict.fromkeys(key.part for key in MAPPING_KEYS)
    return page(
        "Keys of a mapping",
        "How a device's messages become values of its channels. Each key has its unit, an example,"
        " and a value that is refused, with what `tonne apply` says then. What the keys mean"
        " together is in [what holds for a mapping](../howto/devices/mapping.md), every other key"
        " in [facility file](facility-file.md).",
        *(_section(part) for part in parts),
    )


def _section(part: type[BaseModel]) -> str:
    described = headings()[Channel if part is UnitFrom else part]
    heading = f"{described}`.unit`".replace("``", "") if part is UnitFrom else described
    link = f"What they mean: [{described}](facility-file.md#{anchor(described)})."
    header = ("key", "unit", "example", "refused", "because")
    return f"## {heading}\n\n{link}\n\n" + table(header, _rows(part))


def _rows(part: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for key in MAPPING_KEYS:
        if key.part is part:
            shown, wrong = flow({key.name: example(key)}), flow({key.name: key.wrong})
            yield (
                code(key.name),
                key.unit,
                code(_unbraced(shown)),
                code(_unbraced(wrong)) + _without(key),
                refusal(key).replace("<", "&lt;"),
            )


def _without(key: MappingKey) -> str:
    """Say which keys are left out beside a value that is wrong without them."""
    if key.beside_wrong is None:
        return ""
    missing = {name: key.beside[name] for name in key.beside if name not in key.beside_wrong}
    return f" without {code(_unbraced(flow(missing)))}"


def _unbraced(text: str) -> str:
    """Return a mapping of one key as a line of a file."""
    return text[1:-1] if text.startswith("{") and text.endswith("}") else text
