"""Payloads and bodies: every decoder, whatever the bytes.

The only thing that a decoder may raise is UndecodableError; anything else is a find. A mapping's
expression may be refused when it is read, or else decodes.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from services.core.accounting.hj212.frames import check_code
from services.core.accounting.hj212.packets import FrameCutter
from services.core.facility import model
from services.core.facility.families.catalogue import families, family_called
from services.core.facility.file import parse
from services.core.facility.mapping_expression import ExpressionError, OverBudgetError, check
from services.core.runtime.reading_door import FORMS, Question
from services.ingest.bodies import body
from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError
from services.ingest.decode import decoder_for, line_protocol, sparkplug, sparkplug_payload
from services.ingest.decode.observation import Decoder, UndecodableError
from services.ingest.sources.hj212.conversation import Conversation
from services.ingest.sources.hj212.passwords import Passwords
from services.ingest.sparkplug import session
from services.ingest.sparkplug.effects import Arrival, Forward
from services.ingest.sparkplug.proposals import proposals
from services.ingest.sparkplug.topics import Address, Verb
from tests.fuzz.answers import holds, tells

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


@cache
def _families() -> list[Decoder]:
    """Made once they are asked for: it takes most of a second, and every worker loads this file."""
    names = (family for family in families() if family.name != "senml")
    return [decoder for family in names for decoder in _decoders(family.text)]


_FOREIGN: Final = _decoders(_DEMANDING)

_BINARY: Final = {
    wire_format: _decoders(_DEMANDING.replace("format: json", f"format: {wire_format}"))
    for wire_format in ("cbor", "msgpack")
}

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

_HJ212: Final = _decoders(family_called("hj212").text)

#: One station's is there, another's is not.
_HJ212_KEYS: Final = {"M": bytes(range(16))}

_PACKED: Final = decoder_for("json", {"compression": "gzip"}, [{"id": "a", "from": "a"}])

_SENML: Final = _decoders(family_called("senml").text)

_NATIVE: Final = [decoder_for("native", {}, [])]


def _read(decoders: Iterable[Decoder], payload: bytes, wire_format: str) -> set[str]:
    """Hand a payload to all of them; the format's name if any of them found readings."""
    return {wire_format} if sum(holds(decoder, payload) for decoder in decoders) else set()


def native(payload: bytes) -> set[str]:
    """Tonne's own payload."""
    return _read(_NATIVE, payload, "native")


def json(payload: bytes) -> set[str]:
    """Foreign JSON, by mappings that ask much."""
    return _read(_FOREIGN, payload, "json")


def family_messages(payload: bytes) -> set[str]:
    """The same, by the files of all device families."""
    return _read(_families(), payload, "json")


def binary(payload: bytes) -> set[str]:
    """CBOR and MessagePack, mapped as JSON is."""
    return set().union(*(_read(decoders, payload, name) for name, decoders in _BINARY.items()))


def lines(payload: bytes) -> set[str]:
    """Line protocol of InfluxDB."""
    return _read(_LINES, payload, "line-protocol")


def hj212(payload: bytes) -> set[str]:
    """Frames of HJ 212, also as the data segment of one; however a stream comes, it is cut so.

    Encrypted ones are opened at the door; those that no key opens say so where they are read.
    """
    segment = payload[:2000]
    framed = b"##%04d%s%04X\r\n" % (len(segment), segment, check_code(segment))
    read: set[str] = set()
    for data in (payload, framed, framed + payload):
        read |= _read(_HJ212, data, "hj212")
        for said in Conversation(Passwords({}), _HJ212_KEYS.get).feed(data):
            if said.refused is not None:
                tells(said.refused.detail)
            elif said.sealed is not None:
                tells(said.sealed)
                assert said.message is not None
                fields = said.message[1][6:].partition(b"CP=&&")[0].split(b";")
                assert not any(field.startswith(b"PW=") for field in fields)
            elif said.message is not None:
                read |= _read(_HJ212, said.message[1], "hj212")
        chopped = FrameCutter()
        half = len(data) // 2
        frames = chopped.feed(data[:half]) + chopped.feed(data[half:])
        assert frames == FrameCutter().feed(data)
    return read


def packed(payload: bytes) -> set[str]:
    """What is said to be gzip, and what becomes of it if it is."""
    for data in (payload, gzip.compress(payload, 1, mtime=0)):
        holds(_PACKED, data)
    return set()


def senml(payload: bytes) -> set[str]:
    """SenML, JSON and CBOR."""
    return _read(_SENML, payload, "senml")


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


def sparkplug_b(payload: bytes) -> set[str]:
    """Payloads of Sparkplug B, and an edge node to which they come as each kind of message."""
    read = _read(_SPARKPLUG, payload, "sparkplug")
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
                holds(_SPARKPLUG[0], effect.payload)
        now += 1.0
    with suppress(UndecodableError):
        proposals(sparkplug_payload.read(payload))
    return read


#: What expressions are tried at.
_DOCUMENTS: Final = (
    b"{}",
    b"17.5",
    b'{"a": 1.5, "b": "2,5", "t": 1795458600, "u": "kWh", "q": "good", "n": null, "ok": true}',
    b'{"l": [{"x": 1, "v": 2.5, "t": 1795458600}, {"x": 2, "v": "3"}], "m": {"k": [1, [2, [3]]]}}',
    b'[{"x": -1, "v": 2}, [], "text", 0, false, null]',
)


def expressions(data: bytes) -> set[str]:
    """A mapping's expression, as whoever may write a facility file writes it."""
    text = data.decode(errors="replace")[:1000]
    try:
        check(text)
    except (ExpressionError, OverBudgetError) as error:
        tells(str(error))
        return set()
    for parts in ({"from": text}, {"from": "v", "quality": {"from": text, "map": {"good": "bad"}}}):
        decoder = decoder_for("json", {}, [{"id": "a", **parts}])
        for payload in _DOCUMENTS:
            holds(decoder, payload)
    return set()


def bodies(data: bytes) -> set[str]:
    """A body of POST /v1/readings, in each form: messages that a broker could have brought."""
    read = set()
    for form in FORMS:
        question = Question(form=form, body_bytes=len(data), facility="f", device="d", channel="c")
        try:
            records = body.read(question, data, max_bytes=1 << 20)
            parts = list(records.parts())
        except (UnusableBodyError, TooLargeBodyError) as error:
            tells(str(error))
            continue
        for verdict in records.verdicts:
            tells(verdict.detail)
        for part in parts:
            assert len(part.lines or part.indices) == len(part.indices) > 0
            if holds(_NATIVE[0], part.payload):
                read.add(f"body {form}")
    return read


def plain_lines(data: bytes) -> set[str]:
    """Line protocol the fast way: it reads what the thorough way reads."""
    text = data.decode(errors="replace").replace("\\", "").replace('"', "")
    assert _records(lambda: list(line_protocol.lines(text.encode()))) == _records(
        lambda: list(line_protocol._any_lines(text))
    )
    return set()


def _records(lines: Callable[[], Any]) -> Any:
    try:
        return lines()
    except UndecodableError as error:
        return error.reason, error.detail
