from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.core.facility.file import parse
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.source import Message
from tests.contract.ingest.formats.station import Reading, Station, directory, station_of

ENERGY = "quantity: energy, unit: kWh, kind: counter"
BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=5))
SIX_PM = datetime(2026, 11, 23, 18, tzinfo=UTC)


def facility(name: str, *devices: str) -> str:
    lines = "".join(f"  - {device}\n" for device in devices)
    return f"facility: {{id: {name}, name: Works, timezone: UTC}}\ndevices:\n{lines}"


def test_a_device_with_topics_of_its_own_speaks_tonnes_format_at_the_native_one() -> None:
    for topics in ("topic: t, ", ""):
        channel = f"{{id: x, topic: x, {ENERGY}}}"
        made = station_of(
            facility("linz", f"{{id: a, {topics}format: json, channels: [{channel}]}}")
        )
        native = '{"ts": 1795456800, "values": {"x": 7}}'
        assert made.receive("emissions/linz/a/readings", native) == [Reading("a.x", SIX_PM, 7.0)]


def test_a_device_without_a_topic_speaks_its_format_at_the_native_one() -> None:
    device = f"{{id: a, format: json, timestamp: {{from: t}}, channels: [{{id: x, {ENERGY}}}]}}"
    made = station_of(facility("linz", device.replace("{id: x,", "{id: x, from: e,")))
    found = made.receive("emissions/linz/a/readings", '{"t": 1795456800, "e": 7}')
    assert found == [Reading("a.x", SIX_PM, 7.0)]


def test_only_the_channels_of_a_topic_are_looked_for_there() -> None:
    channels = f"{{id: x, topic: x, from: e, {ENERGY}}}, {{id: y, topic: y, from: e, {ENERGY}}}"
    made = station_of(
        facility("linz", f"{{id: a, topic: t, format: json, channels: [{channels}]}}")
    )
    assert made.directory.own_topics == {"t/x", "t/y"}
    assert [r.channel for r in made.receive("t/y", '{"e": 7}')] == ["a.y"]
    assert made.receive("t", '{"e": 7}') == []


GATEWAY = "plant/gw1/meters"
FLEET = '[{"id": "1", "kwh": "102.5"}, {"id": "9", "kwh": "3"}]'


def tenant(name: str, number: int, *, wire_format: str = "json") -> str:
    """A facility whose meter is one of those in the messages of a gateway."""
    mapping = f"records: \"[?id=='{number}']\", " if wire_format == "json" else ""
    channel = f"{{id: x{number}, from: kwh, {ENERGY}}}"
    if wire_format == "native":
        channel = f"{{id: x{number}, {ENERGY}}}"
    start = f"{{id: meter-{name}, topic: {GATEWAY}, format: {wire_format}, {mapping}"
    return facility(name, f"{start}channels: [{channel}]}}")


def two_tenants(*, wire_format: str = "json") -> Station:
    texts = (
        tenant("linz", 1, wire_format=wire_format),
        tenant("graz", 9, wire_format=wire_format),
    )
    return Station(directory(*map(parse, texts)))


def owners(station: Station) -> list[tuple[str | None, str | None, str]]:
    return [(entry.facility, entry.device, entry.reason) for entry in station.quarantine]


def test_facilities_of_one_topic_take_each_what_their_mapping_selects() -> None:
    both = two_tenants()
    found = both.receive(GATEWAY, FLEET)
    assert [(r.channel, r.value) for r in found] == [("meter-linz.x1", 102.5), ("meter-graz.x9", 3)]
    assert both.quarantine == []
    # what the one stores is the same whether the other is there or not
    alone = Station(directory(parse(tenant("linz", 1))))
    assert alone.receive(GATEWAY, FLEET) == found[:1]


def test_a_refusal_concerns_each_facility_of_the_topic_and_names_it() -> None:
    both = two_tenants()
    both.receive(GATEWAY, "not JSON")
    assert owners(both) == [
        ("linz", "meter-linz", Reason.MALFORMED_JSON),
        ("graz", "meter-graz", Reason.MALFORMED_JSON),
    ]
    large = two_tenants()
    large.receive(GATEWAY, "[" + " " * (1 << 20) + "]")
    assert [each[:2] for each in owners(large)] == [("linz", "meter-linz"), ("graz", "meter-graz")]


def test_what_is_wrong_with_one_facilitys_value_is_no_matter_of_the_other() -> None:
    both = two_tenants()
    found = both.receive(GATEWAY, FLEET.replace('"3"', '"three"'))
    assert [r.channel for r in found] == ["meter-linz.x1"]
    assert owners(both) == [("graz", "meter-graz", Reason.BAD_VALUE)]
    assert both.quarantine[0].channel == "x9"


def test_devices_of_one_facility_share_a_topic_and_one_refusal() -> None:
    devices = [
        f"{{id: m{k}, topic: t, format: json, channels: [{{id: x, from: m{k}, {ENERGY}}}]}}"
        for k in range(30)
    ]
    fleet = station_of(facility("linz", *devices))
    assert [r.channel for r in fleet.receive("t", '{"m7": 1, "m9": 2}')] == ["m7.x", "m9.x"]
    fleet.receive("t", "{")
    assert owners(fleet) == [("linz", None, Reason.MALFORMED_JSON)]
    assert "(devices m0, m1," in fleet.quarantine[0].detail
    assert "and 20 more)" in fleet.quarantine[0].detail
    fleet.quarantine.clear()
    fleet.receive("t", '{"m7": "a", "m9": "b"}')
    assert owners(fleet) == [("linz", None, Reason.BAD_VALUE)]
    assert 'x: "a" is not a number' in fleet.quarantine[0].detail
    assert "(devices m7); " in fleet.quarantine[0].detail


def test_native_devices_of_one_topic_answer_for_their_channels() -> None:
    both = two_tenants(wire_format="native")
    payload = '{"ts": 1795456800, "values": {"x1": 1, "x9": 9, "y": 0}}'
    found = both.receive(GATEWAY, payload)
    assert [(r.channel, r.value) for r in found] == [("meter-linz.x1", 1), ("meter-graz.x9", 9)]
    assert [(e.facility, e.channel, e.reason) for e in both.quarantine] == [
        ("linz", "y", Reason.UNKNOWN_CHANNEL),
        ("graz", "y", Reason.UNKNOWN_CHANNEL),
    ]


def test_a_device_was_heard_of_only_where_a_message_of_its_topic_spoke_of_it() -> None:
    known = two_tenants().directory
    message = Message(
        topic=GATEWAY, payload=b'[{"id": "9", "kwh": 3}]', received_at=SIX_PM, token=None
    )
    prepared = prepare([message], known, BOUNDS)
    (publisher,) = [row.publisher for row in prepared.rows]
    assert set(prepared.sightings) == {publisher.device_id}


def test_a_second_try_for_one_facility_is_no_second_try_for_the_other() -> None:
    known = two_tenants().directory
    message = Message(topic=GATEWAY, payload=b"{", received_at=SIX_PM, token=None)
    prepared = prepare([message], known, BOUNDS, facility="graz")
    assert [entry.facility for entry in prepared.quarantine] == ["graz"]
    assert prepare([message], known, BOUNDS, facility="wien").quarantine == []


def test_a_message_that_costs_too_much_is_refused_with_what_to_do() -> None:
    channels = f"{{id: x, from: 'length([*].[@, @, @][].[@, @, @][])', {ENERGY}}}"
    made = station_of(
        facility("linz", f"{{id: a, topic: t, format: json, channels: [{channels}]}}")
    )
    assert [r.value for r in made.receive("t", "[1]")] == [9.0]
    made.receive("t", "[" + "1," * 9_000 + "1]")
    (entry,) = made.quarantine
    assert (entry.facility, entry.device, entry.reason) == ("linz", "a", Reason.TOO_COSTLY)
    assert "takes more than 200000 steps" in entry.detail
    assert "TONNE_MAPPING_STEPS" in entry.detail


def test_a_mapping_that_this_version_cannot_use_refuses_messages_and_not_the_process() -> None:
    file = parse(
        facility("linz", f"{{id: a, topic: t, format: json, channels: [{{id: x, {ENERGY}}}]}}")
    )
    known = directory(file)
    device = file.devices[0]
    broken = device.model_copy(
        update={"channels": (device.channels[0].model_copy(update={"from_": "a["}),)}
    )
    known = directory(file.model_copy(update={"devices": (broken,)}))
    made = Station(known)
    assert made.receive("t", "7") == []
    assert made.reasons() == [Reason.UNSUPPORTED_FORMAT]
    assert "Incomplete" in made.quarantine[0].detail
