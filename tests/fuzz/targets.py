"""What is fuzzed: each decoder, and what must hold of its answer whatever the bytes.

The only thing that a decoder may raise is UndecodableError; anything else is a find. A mapping's
expression may be refused when it is read, or else decodes. PUBLISH packets must be read as paho
reads them.
"""

from __future__ import annotations

import ast
import gzip
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from services.core.facility import model
from services.core.facility.families.catalogue import families, family_called
from services.core.facility.file import parse
from services.core.facility.mapping_expression import ExpressionError, OverBudgetError, check
from services.core.runtime.reading_door import FORMS, Question
from services.ingest.bodies import body
from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError
from services.ingest.decode import decoder_for, line_protocol, sparkplug, sparkplug_payload
from services.ingest.decode.observation import (
    MAX_VALUES,
    TIME_FROM_BROKER,
    Decoder,
    UndecodableError,
)
from services.ingest.sources.mqtt.publish_packets import take_publishes
from services.ingest.sparkplug import session
from services.ingest.sparkplug.effects import Arrival, Forward
from services.ingest.sparkplug.proposals import proposals
from services.ingest.sparkplug.topics import Address, Verb

_HERE: Final = Path(__file__).parent

#: 2026-11-23T18:30:00Z
_RECEIVED_US: Final = 1_795_458_600_000_000

#: Mappings that ask more of JMESPath than the examples do.
_DEMANDING: Final = """
facility: {id: fuzz, name: Fuzz, timezone: Europe/Vienna}
devices:
  - id: functions
    topic: functions
    format: json
    records: "r || [@]"
    timestamp: {from: "t || max_by(l, &t).t", timezone: Europe/Vienna}
    channels:
      - {id: a, from: "ceil(a)", quantity: energy, unit: kWh, kind: gauge}
      - {id: b, from: "sum(l)", quantity: energy, unit: kWh, kind: gauge}
      - {id: c, from: "to_number(c)", quantity: energy, unit: kWh, kind: gauge}
      - {id: d, from: "avg(l[?x > `1`].x)", quantity: energy, unit: kWh, kind: gauge}
      - {id: e, from: "sort_by(l, &x)[-1].x", quantity: energy, unit: kWh, kind: gauge}
      - {id: f, from: "length(join('', l))", quantity: energy, unit: kWh, kind: gauge}
      - {id: g, from: "l[::-1] | [0]", quantity: energy, unit: kWh, kind: gauge}
      - {id: h, from: "values(@) | [] | [0]", quantity: energy, unit: kWh, kind: gauge}
      - {id: j, from: "l[?x].v | [0]", timestamp: {from: "l[?x].t | [0]", timezone: Europe/Vienna}, quantity: energy, unit: kWh, kind: gauge}
      - {id: k, from: "l[*].v", timestamp: {from: "l[].t", format: "%Y%m%d%H%M%S", number: hex}, quantity: energy, unit: {from: u, map: {MWH: MWh}, default: kWh}, kind: gauge, quality: {from: q, map: {true: good, a: bad}}}
      - {id: m, from: a, number: hex, quantity: energy, unit: kWh, kind: gauge}
      - {id: n, from: "max([l[?x].v | [0], a])", number: comma, quantity: energy, unit: kWh, kind: gauge}
      - {id: o, from: a, number: point, unit: {suffix: true, default: kWh}, quantity: energy, kind: gauge}
      - {id: p, from: b, bytes: {written: base64, type: float32, word_order: little}, quantity: energy, unit: kWh, kind: gauge}
      - {id: q, from: c, bytes: {written: hex, type: uint64, byte_order: little}, quantity: energy, unit: kWh, kind: gauge}
      - {id: r, from: l, bytes: {written: registers, type: int16, from_byte: 2}, quantity: energy, unit: kWh, kind: gauge}
      - {id: s, from: a, cell: 2, number: comma, unit: {from: a, cell: 3, default: kWh}, quantity: energy, kind: gauge}
      - id: i
        from: "floor(t)"
        quantity: energy
        unit: kWh
        kind: interval
        length: 15m
        stamp: end
  - id: columns
    topic: columns
    format: json
    records: r
    columns: {n: a, v: "l[].v", t: t}
    where: {n: [1, "true", x], "v": 2}
    timestamp: {from: t, stands_in: message, step: 5m, order: newest-first, place: last, invalid: [0, ""]}
    channels:
      - {id: a, from: v, quantity: energy, unit: kWh, kind: gauge}
      - {id: b, from: n, where: {"length(n)": 3}, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
  - id: titles
    topic: titles
    format: json
    records: l
    columns: "values(m)"
    channels:
      - {id: a, from: x, timestamp: {from: t, step: 1h}, quantity: energy, unit: kWh, kind: gauge}
  - id: cells
    topic: cells
    format: json
    delimiter: ";"
    timestamp: {from: "@", cell: 1, unit: s}
    channels:
      - {id: a, cell: 2, number: comma, unit: {suffix: true, default: kWh}, quantity: energy, kind: gauge}
      - {id: b, cell: 3, quality: {from: "@", cell: 4, map: {ok: good}}, quantity: energy, unit: kWh, kind: gauge}
  - id: frame
    topic: frame
    format: json
    channels: [{id: a, bytes: {written: base64, type: float64, from_byte: 1}, quantity: energy, unit: kWh, kind: gauge}]
"""  # noqa: E501 - one line a channel


def _decoders(text: str) -> list[Decoder]:
    made: list[Decoder] = []
    for device in parse(text).devices:
        sharing: dict[str | None, list[model.Channel]] = {}
        for channel in device.channels:
            topic = model.own_topic(device.topic, channel.topic)
            sharing.setdefault(topic, []).append(channel)
        spec = model.spec(device)
        made += [
            decoder_for(device.format, spec, [model.spec(c) for c in channels])
            for channels in sharing.values()
        ]
    return made


_FOREIGN: Final[list[Decoder]] = [
    decoder for family in families() if family.name != "senml" for decoder in _decoders(family.text)
] + _decoders(_DEMANDING)

_BINARY: Final = [
    decoder
    for wire_format in ("cbor", "msgpack")
    for decoder in _decoders(_DEMANDING.replace("format: json", f"format: {wire_format}"))
]

_LINES: Final = _decoders("""
facility: {id: fuzz, name: Fuzz, timezone: Europe/Vienna}
devices:
  - id: lines
    topic: lines
    format: line-protocol
    where: {measurement: [m, meter]}
    channels:
      - {id: a, from: fields.a, where: {tags.t: x}, quantity: energy, unit: kWh, kind: gauge}
      - {id: b, from: fields.b, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
""")  # noqa: E501 - one line a channel

_PACKED: Final = decoder_for("json", {"compression": "gzip"}, [{"id": "a", "from": "a"}])

_SENML: Final = _decoders(family_called("senml").text)


def native(payload: bytes) -> None:
    """Tonne's own payload."""
    _holds(decoder_for("native", {}, []), payload)


def json(payload: bytes) -> None:
    """Foreign JSON, by the mappings of all examples and some more."""
    for decoder in _FOREIGN:
        _holds(decoder, payload)


def binary(payload: bytes) -> None:
    """CBOR and MessagePack, mapped as JSON is."""
    for decoder in _BINARY:
        _holds(decoder, payload)


def lines(payload: bytes) -> None:
    """Line protocol of InfluxDB."""
    for decoder in _LINES:
        _holds(decoder, payload)


def packed(payload: bytes) -> None:
    """What is said to be gzip, and what becomes of it if it is."""
    for data in (payload, gzip.compress(payload, 1, mtime=0)):
        _holds(_PACKED, data)


def senml(payload: bytes) -> None:
    """SenML, JSON and CBOR."""
    for decoder in _SENML:
        _holds(decoder, payload)


_SPARKPLUG_CHANNELS: Final = (
    {"id": "a", "from": "a", "kind": "gauge"},
    {"id": "b", "from": "b", "kind": "counter"},
    {"id": "c", "from": "m/c", "kind": "event"},
)
_SPARKPLUG: Final = (
    sparkplug.decoder({}, _SPARKPLUG_CHANNELS),
    sparkplug.birth_decoder(_SPARKPLUG_CHANNELS),
    sparkplug.death_decoder(_SPARKPLUG_CHANNELS),
)


def sparkplug_b(payload: bytes) -> None:
    """Payloads of Sparkplug B, and an edge node to which they come as each kind of message."""
    for decoder in _SPARKPLUG:
        _holds(decoder, payload)
    node = session.EdgeNode(group="g", edge_node="e")
    now = 0.0
    for verb in (Verb.NDATA, Verb.NBIRTH, Verb.DBIRTH, Verb.DDATA, Verb.DDEATH, Verb.NDEATH):
        device = "d" if verb.is_device else ""
        arrival = Arrival(
            address=Address(group="g", verb=verb, edge_node="e", device=device),
            payload=payload,
            received_at=datetime(2026, 11, 23, 18, 30, tzinfo=UTC),
        )
        node, effects = session.arrive(node, arrival, now)
        due_at = session.due_at(node)
        assert due_at is None or due_at >= now
        for effect in effects:
            if isinstance(effect, Forward):
                _holds(_SPARKPLUG[0], effect.payload)
        now += 1.0
    with suppress(UndecodableError):
        proposals(sparkplug_payload.read(payload))


#: What expressions are tried at.
_DOCUMENTS: Final = (
    b"{}",
    b"17.5",
    b'{"a": 1.5, "b": "2,5", "t": 1795458600, "u": "kWh", "q": "good", "n": null, "ok": true}',
    b'{"l": [{"x": 1, "v": 2.5, "t": 1795458600}, {"x": 2, "v": "3"}], "m": {"k": [1, [2, [3]]]}}',
    b'[{"x": -1, "v": 2}, [], "text", 0, false, null]',
)


def expressions(data: bytes) -> None:
    """A mapping's expression, as whoever may write a facility file writes it."""
    text = data.decode(errors="replace")[:1000]
    try:
        check(text)
    except (ExpressionError, OverBudgetError) as error:
        _tells(str(error))
        return
    for parts in ({"from": text}, {"from": "v", "quality": {"from": text, "map": {"good": "bad"}}}):
        decoder = decoder_for("json", {}, [{"id": "a", **parts}])
        for payload in _DOCUMENTS:
            _holds(decoder, payload)


def packets(data: bytes) -> None:
    """What a broker sends: whatever is taken in bulk, paho takes for the same."""
    _read_as_paho(data, MQTTProtocolVersion.MQTTv311)


def packets_5(data: bytes) -> None:
    """The same by MQTT 5, with its properties."""
    _read_as_paho(data, MQTTProtocolVersion.MQTTv5)


def _read_as_paho(data: bytes, version: MQTTProtocolVersion) -> None:
    found, end = take_publishes(
        data, 0, limit=1000, properties=version == MQTTProtocolVersion.MQTTv5
    )
    at = 0
    for each in found:
        head, at = data[at], at + 1
        length = shift = 0
        while data[at] & 0x80:
            length |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
        length, at = length | data[at] << shift, at + 1
        assert shift <= 21
        body, at = data[at : at + length], at + length
        assert len(body) == length
        assert head >> 4 == 3
        try:
            read = _packet.decode_publish(head, body, version)
        except MalformedPacket:
            # texts of properties that are not UTF-8: nobody reads them, so the message counts
            assert version == MQTTProtocolVersion.MQTTv5
            continue
        assert read.qos < 2
        assert each == (
            read.topic,
            read.payload,
            read.mid if read.qos else None,
            read.dup,
            read.retain,
            getattr(read.properties, "TopicAlias", None),
        )
    assert at == end


def bodies(data: bytes) -> None:
    """A body of POST /v1/readings, in each form: messages that a broker could have brought."""
    for form in FORMS:
        question = Question(form=form, body_bytes=len(data), facility="f", device="d", channel="c")
        try:
            records = body.read(question, data, max_bytes=1 << 20)
            parts = list(records.parts())
        except (UnusableBodyError, TooLargeBodyError) as error:
            _tells(str(error))
            continue
        for verdict in records.verdicts:
            _tells(verdict.detail)
        for part in parts:
            assert len(part.lines or part.indices) == len(part.indices) > 0
            _holds(decoder_for("native", {}, []), part.payload)


def plain_lines(data: bytes) -> None:
    """Line protocol the fast way: it reads what the thorough way reads."""
    text = data.decode(errors="replace").replace("\\", "").replace('"', "")
    assert _read(lambda: list(line_protocol.lines(text.encode()))) == _read(
        lambda: list(line_protocol._any_lines(text))
    )


def _read(lines: Callable[[], Any]) -> Any:
    try:
        return lines()
    except UndecodableError as error:
        return error.reason, error.detail


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "native": native,
    "json": json,
    "senml": senml,
    "binary": binary,
    "lines": lines,
    "packed": packed,
    "bodies": bodies,
    "plain_lines": plain_lines,
    "packets": packets,
    "packets_5": packets_5,
    "expressions": expressions,
    "sparkplug": sparkplug_b,
}


def _holds(decoder: Decoder, payload: bytes) -> None:
    try:
        decoded = decoder(payload, _RECEIVED_US)
    except UndecodableError as error:
        _tells(error.detail)
        return
    assert len(decoded.observations) <= 2 * MAX_VALUES
    for observation in decoded.observations:
        assert isinstance(observation.channel, str)
        assert type(observation.ts_us) is int
        assert observation.value is None or (
            type(observation.value) is float and math.isfinite(observation.value)
        )
        assert observation.unit is None or isinstance(observation.unit, str)
        assert observation.quality in range(5)
        assert observation.time_source in {0, TIME_FROM_BROKER}
    for problem in decoded.problems:
        _tells(problem.detail)


def _tells(what: str) -> None:
    assert 0 < len(what) < 500


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a target: a bytes literal on each line."""
    lines = (_HERE / "corpus" / f"{name}.txt").read_text().splitlines()
    return [ast.literal_eval(line) for line in lines]
