"""What a facility file may say of devices: where their messages come, and how they are read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from services.core.facility.channels import Channel
from services.core.facility.connections import P1, Modbus
from services.core.facility.fields import (
    Expression,
    Part,
    Slug,
    SparkplugId,
    Topic,
    at_most,
)
from services.core.facility.mapping_model import (
    ColumnsOf,
    Conditions,
    Delimiter,
    Quality,
    Timestamp,
)


def _ids(value: Any) -> Any:
    """Read ids as they were written: a number that YAML changes is none."""
    items = value if isinstance(value, list | tuple) else [value]
    changed = next((item for item in items if isinstance(item, bool | float)), None)
    if changed is not None:
        raise ValueError(
            f"{changed!r} is not read as it was written: put the id in quotes, such as"
            " known_as: '1e5'"
        )
    return [str(item) if isinstance(item, int) else item for item in items]


_Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_WrittenId = _Id | int
#: How a device is called by its gateway; ids are compared as text, and a single one needs no list.
Ids = Annotated[
    tuple[_Id, ...],
    BeforeValidator(
        _ids,
        json_schema_input_type=_WrittenId
        | Annotated[list[_WrittenId], Field(min_length=1, max_length=1000)],
    ),
    Field(min_length=1, max_length=1000),
]


class IgnoredIds(Part):
    """Ids at a topic that many devices share, whose messages are known not to matter."""

    topic: Topic = Field(
        examples=["plant/gw1/meters"],
        description="The topic, as the devices that share it write it.",
    )
    ids: Ids | None = Field(
        None,
        examples=[["Slave9", "Slave12"]],
        description=(
            "The ids, such as [Slave9, Slave12]. Default: every id that no device is known as."
        ),
    )


class SparkplugAddress(Part):
    """An edge node of Sparkplug B, or one of its devices; upper and lower case differ."""

    group: SparkplugId = Field(examples=["Linz"], description="Group of the edge node.")
    edge_node: SparkplugId = Field(examples=["Gateway"], description="The edge node.")
    device: SparkplugId | None = Field(
        None, description="Device of the edge node. Default: the edge node itself."
    )

    @property
    def data_topic(self) -> str:
        """Where its data is published."""
        if self.device is None:
            return f"spBv1.0/{self.group}/NDATA/{self.edge_node}"
        return f"spBv1.0/{self.group}/DDATA/{self.edge_node}/{self.device}"


class Device(Part):
    """A publisher of readings."""

    id: Slug = Field(
        examples=["main-meter"],
        description="Name of the device in topics, unique within the facility. A slug.",
    )
    name: str | None = Field(None, description="Name that people read.")
    topic: Topic | None = Field(
        None,
        examples=["tele/pow1/SENSOR"],
        description=(
            "Topic of the device's own messages; a level may be +, where the id of the device"
            " stands. Default: emissions/{facility}/{device}/readings."
        ),
    )
    known_as: Ids | None = Field(
        None,
        examples=["a1b2"],
        description=(
            "Id by which messages at a topic of many devices name this one, such as a1b2; of a"
            " device that was exchanged both, [a1b2, c3d4]. Messages with an id that no device is"
            " known as are kept in quarantine. Default: all messages at the topic are this"
            " device's."
        ),
    )
    device_from: Expression | None = Field(
        None,
        examples=["topic.1"],
        description=(
            "With known_as: where the id stands. topic.1: in the second level of the topic, which"
            " is +. deviceInfo.devEui: JMESPath to it in each record (json). cell.1: the first cell"
            " of each line, which is a record then. keys(@): records stand under the ids, as values"
            " of an object. property.serial: in a user property of MQTT 5."
            " Default: the level of the topic that is +."
        ),
    )
    format: Literal[
        "native",
        "json",
        "senml",
        "cbor",
        "msgpack",
        "line-protocol",
        "sparkplug",
        "hj212",
        "p1",
        "modbus",
    ] = Field(
        "native",
        examples=["json"],
        description=(
            "Format of the messages at the device's own topics; sparkplug: at those of the edge"
            " node that sparkplug names. cbor, msgpack and line-protocol"
            " are mapped as json is, by the keys that say json; line-protocol as records with"
            " measurement, tags, fields and time, which is in ns. hj212: frames of HJ 212, with"
            " from as in a05001.Rtd or hour.a00000.Cou; time and quality come with them."
            " p1: telegrams of a P1 port. modbus: registers that ingest reads."
        ),
    )
    sparkplug: SparkplugAddress | None = Field(
        None,
        examples=[{"group": "Linz", "edge_node": "Gateway", "device": "Meter-1"}],
        description=(
            "With format: sparkplug, whose metrics the channels are, such as {group: Linz,"
            " edge_node: Gateway, device: Meter-1}."
        ),
    )
    p1: P1 | None = Field(
        None,
        examples=[{"host": "192.168.1.30", "port": 23, "every": "10s"}],
        description="With format: p1, where its telegrams are fetched, and how they are read.",
    )
    modbus: Modbus | None = Field(
        None,
        examples=[{"host": "192.168.1.40", "unit": 1, "every": "1m"}],
        description="With format: modbus, where its registers are read, and how often.",
    )
    compression: Literal["gzip"] | None = Field(
        None,
        examples=["gzip"],
        description=(
            "How messages in the device's format are compressed; unpacked they have less than"
            " 1 MiB. Default: they are not."
        ),
    )
    records: Expression | None = Field(
        None,
        examples=["values"],
        description=(
            "json: JMESPath to the readings of a message that contains several, each with its "
            "own values and time. Default: a message is one reading."
        ),
    )
    columns: ColumnsOf | None = Field(
        None,
        examples=[{"id": "names", "v": "values"}],
        description=(
            "json: arrays side by side that are records, by the name that each has in a record"
            " the JMESPath to it, such as {id: names, v: values}. Of records that are arrays, the"
            " JMESPath to the names of their places. Default: records are objects."
        ),
    )
    where: Conditions | None = Field(
        None,
        examples=[{"meter": ["26332170"]}],
        description=(
            "json: the records that are this device's, by JMESPath the words that one of stands"
            " there, such as {meter: 26332170}. cell.1 is the first cell of a line: each line is a"
            " record then. Default: all of them."
        ),
    )
    timestamp: Timestamp | None = Field(
        None,
        examples=[{"from": "Time", "timezone": "Europe/Vienna"}],
        description="json: where the message carries its time. Default: its arrival is its time.",
    )
    quality: Quality | None = Field(
        None,
        examples=[{"from": "status", "map": {"ok": "good", "error": "bad"}}],
        description=(
            "json: where the message says how good its values are. Default: every value is good."
        ),
    )
    delimiter: Delimiter | None = Field(
        None,
        examples=[";"],
        description=(
            'json: what stands between the cells of a text, one character such as ";" or "\\t".'
            " Default: a comma."
        ),
    )
    channels: Annotated[tuple[Channel, ...], at_most(2000)] = Field(
        examples=[[{"id": "import", "quantity": "energy", "unit": "kWh", "kind": "counter"}]],
        min_length=1,
        description="What the device measures.",
    )

    @property
    def measured(self) -> tuple[Channel, ...]:
        """The channels that it sends, those that are computed left out."""
        return tuple(channel for _, channel in self.numbered)

    @property
    def numbered(self) -> tuple[tuple[int, Channel], ...]:
        """The same, each with its place among the channels of the file."""
        return tuple(
            (i, channel) for i, channel in enumerate(self.channels) if channel.kind != "derived"
        )
