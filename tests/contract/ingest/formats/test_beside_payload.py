"""What stands beside a payload: levels of the topic, and what MQTT 5 says of a message."""

from __future__ import annotations

import pytest

from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse
from services.ingest.quarantine.reasons import Reason
from tests.contract.ingest.formats.station import Station, station_of

HEAD = "facility: {id: linz, name: Linz, timezone: UTC}\ndevices:\n"
NOON = 1795456800


def station(*devices: str) -> Station:
    return station_of(HEAD + "".join(f"  - {{{device}}}\n" for device in devices))


def problems(*devices: str) -> list[str]:
    with pytest.raises(FacilityFileError) as raised:
        parse(HEAD + "".join(f"  - {{{device}}}\n" for device in devices))
    return [str(problem) for problem in raised.value.problems]


def values(readings: list[object]) -> list[tuple[str, float | None]]:
    return [(reading.channel, reading.value) for reading in readings]  # type: ignore[attr-defined]


METER = (
    "id: meter, topic: hall/meter, format: json, channels: [{{id: energy, from: e, "
    "quantity: energy, unit: {unit}, kind: counter}}], {more}"
)


def meter(more: str, unit: str = "kWh") -> str:
    return METER.format(more=more, unit=unit)


def test_time_unit_and_quality_are_read_of_user_properties() -> None:
    hall = station(
        "id: meter, topic: hall/meter, format: json,"
        " timestamp: {from: property.measured-at, unit: s},"
        " quality: {from: property.status, map: {ok: good, broken: bad}},"
        " channels: [{id: energy, from: e, quantity: energy,"
        " unit: {from: property.unit, default: kWh}, kind: counter}]"
    )
    beside = {
        "property.measured-at": str(NOON),
        "property.unit": "MWh",
        "property.status": "ok",
    }
    (reading,) = hall.receive("hall/meter", {"e": 2}, properties=beside)
    assert (reading.value, reading.ts.timestamp()) == (2000, NOON)
    hall.receive("hall/meter", {"e": 2}, properties={**beside, "property.status": "odd"})
    (entry,) = hall.quarantine
    assert (entry.reason, entry.properties) == (
        Reason.BAD_QUALITY,
        {**beside, "property.status": "odd"},
    )


def test_where_compares_what_stands_beside_a_record() -> None:
    hall = station(
        meter("where: {content_type: [application/json], property.site: [north, '7']}"),
    )
    fits = {"content_type": "application/json", "property.site": "north"}
    assert values(hall.receive("hall/meter", {"e": 2}, properties=fits)) == [("meter.energy", 2)]
    for other in (
        {**fits, "property.site": "south"},
        {**fits, "property.site": ["north", "south"]},
        {"property.site": "north"},
        None,
    ):
        assert hall.receive("hall/meter", {"e": 2}, properties=other) == []
    assert hall.quarantine == []


def test_a_level_of_the_topic_is_a_word_like_others() -> None:
    hall = station(
        "id: meter, topic: hall/+/kWh, known_as: a1, format: json,"
        " channels: [{id: energy, from: e, quantity: energy,"
        " unit: {from: topic.2, default: kWh}, kind: counter},"
        " {id: heat, from: e, where: {topic.1: b2}, quantity: energy, unit: kWh, kind: counter}]"
    )
    assert values(hall.receive("hall/a1/kWh", {"e": 2})) == [("meter.energy", 2)]


def test_a_value_may_stand_beside_the_payload() -> None:
    hall = station(
        "id: meter, topic: hall/meter, format: json, channels: ["
        "{id: energy, from: property.total, number: comma, quantity: energy, unit: kWh,"
        " kind: counter}, {id: left, from: message_expiry, quantity: time, unit: s,"
        " kind: gauge}]"
    )
    beside = {"property.total": "1.234,5", "message_expiry": 60}
    assert values(hall.receive("hall/meter", "7", properties=beside)) == [
        ("meter.energy", 1234.5),
        ("meter.left", 60),
    ]
    assert hall.receive("hall/meter", "{}") == []


def test_a_key_of_the_payload_with_such_a_name_is_written_in_quotes() -> None:
    hall = station(meter("""where: {'"property".site': north, '"content_type"': text}"""))
    sent = {"e": 2, "property": {"site": "north"}, "content_type": "text"}
    other = {"property.site": "south", "content_type": "json"}
    assert values(hall.receive("hall/meter", sent, properties=other)) == [("meter.energy", 2)]


def told(name: str, serial: str, device_from: str = "property.serial") -> str:
    return (
        f"id: {name}, topic: hall/all, device_from: {device_from}, known_as: {serial}, format:"
        " json, timestamp: {from: property.at}, channels: [{id: energy, from: e, quantity: energy,"
        " unit: kWh, kind: counter}]"
    )


def test_a_device_is_told_by_a_user_property() -> None:
    hall = station(told("one", "A-17"), told("two", "A-18"))
    beside = {"property.serial": "A-18", "property.at": str(NOON)}
    (reading,) = hall.receive("hall/all", {"e": 5}, properties=beside)
    assert (reading.channel, reading.value, reading.ts.timestamp()) == ("two.energy", 5, NOON)
    assert hall.receive("hall/all", {"e": 5}, properties={"property.serial": "B-1"}) == []
    assert hall.receive("hall/all", {"e": 5}) == []
    unknown, without = hall.quarantine
    assert (unknown.unknown_ids, unknown.properties) == (("B-1",), {"property.serial": "B-1"})
    assert "known as 'B-1'" in unknown.detail
    assert without.unknown_ids == ("",)
    # as all that comes by NATS, which speaks MQTT 3.1.1
    assert "the message came without property.serial, which only MQTT 5 carries" in without.detail


def test_the_time_of_values_comes_beside_a_message_of_its_own() -> None:
    hall = station(
        "id: meter, topic: hall/meter, format: json,"
        " timestamp: {from: property.at, topic: clock},"
        " channels: [{id: energy, topic: energy, quantity: energy, unit: kWh, kind: counter}]"
    )
    publishers = hall.directory.destination("hall/meter/clock").publishers
    (clock,) = publishers
    assert clock.beside is not None
    clock.beside.take("hall/meter/clock", {"property.at": str(NOON)})
    (observation,) = clock.decode(b"{}", 0).observations
    assert observation.ts_us == NOON * 1_000_000


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (meter("where: {topic.2: a}"), "topic.2 is no level of the topic, which has 2"),
        (
            meter("records: property.all"),
            "property.all stands beside the payload, and records are in it",
        ),
    ],
)
def test_what_cannot_stand_there_is_refused(device: str, words: str) -> None:
    assert any(words in problem for problem in problems(device))


def test_a_device_that_names_nothing_beside_its_payloads_looks_at_nothing() -> None:
    hall = station(meter("timestamp: {from: t}"))
    only = hall.directory.destination("hall/meter").only
    assert only is not None
    assert only.beside is None
