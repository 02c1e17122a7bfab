from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.source import Message
from services.ingest.sources.subscriptions import filters
from tests.contract.ingest.formats.station import ARRIVAL, Station, directory, station_of

ENERGY = "quantity: energy, unit: kWh, kind: counter"
GATEWAY = "plant/gw1/meters"
NOON = 1795456800
BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=5))


def facility(name: str, *devices: str, more: str = "") -> str:
    lines = "".join(f"  - {{{device}}}\n" for device in devices)
    return f"facility: {{id: {name}, name: Works, timezone: UTC}}\ndevices:\n{lines}{more}"


def by_level(name: str, known_as: str, topic: str = "gw/+/telemetry", more: str = "") -> str:
    """A device that is told by a level of its topic."""
    return (
        f"id: {name}, topic: {topic}, known_as: {known_as}, {more}format: json,"
        f" timestamp: {{from: ts}}, channels: [{{id: e, from: kwh, {ENERGY}}}]"
    )


def by_path(name: str, known_as: str, more: str = "", path: str = "macid") -> str:
    """A device that is told by what stands in a message."""
    return (
        f"id: {name}, topic: {GATEWAY}, device_from: {path}, known_as: {known_as}, {more}"
        f"format: json, timestamp: {{from: ts}}, channels: [{{id: e, from: kwh, {ENERGY}}}]"
    )


def record(known_as: object, kwh: object = 1, ts: int = NOON) -> dict[str, object]:
    return {"macid": known_as, "ts": ts, "kwh": kwh}


def taken(station: Station, topic: str, payload: object) -> list[tuple[str, float | None]]:
    return [(reading.channel, reading.value) for reading in station.receive(topic, payload)]


def refused(station: Station) -> list[tuple[str | None, str | None, str, tuple[str, ...] | None]]:
    return [(e.facility, e.device, e.reason, e.unknown_ids) for e in station.quarantine]


def problems(text: str) -> list[str]:
    with pytest.raises(FacilityFileError) as raised:
        parse(text)
    return [str(problem) for problem in raised.value.problems]


# -- by a level of the topic ------------------------------------------------------------------


def test_a_level_of_the_topic_tells_the_device() -> None:
    fleet = station_of(facility("linz", by_level("hall-1", "a1"), by_level("hall-2", "B.2")))
    assert taken(fleet, "gw/a1/telemetry", record("", 5)) == [("hall-1.e", 5)]
    assert taken(fleet, "gw/B.2/telemetry", record("", 6)) == [("hall-2.e", 6)]
    assert fleet.quarantine == []


def test_an_unknown_id_is_kept_with_what_to_do() -> None:
    fleet = station_of(facility("linz", by_level("hall-1", "a1")))
    assert taken(fleet, "gw/b2/telemetry", record("", 5)) == []
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("b2",))]
    (entry,) = fleet.quarantine
    assert entry.topic == "gw/b2/telemetry"
    assert "no device is known as 'b2' at gw/b2/telemetry (known_as)" in entry.detail
    assert "run `tonne apply`, which replays this" in entry.detail


def test_topics_of_other_shapes_are_nobodys() -> None:
    fleet = station_of(facility("linz", by_level("hall-1", "a1")))
    for topic in ("gw/a1/status", "gw/a1", "gw/a1/telemetry/x", "gx/a1/telemetry"):
        assert taken(fleet, topic, record("", 5)) == []
    assert fleet.quarantine == []


def test_the_filters_are_those_of_one_device() -> None:
    known = directory(parse(facility("linz", by_level("hall-1", "a1"), by_level("hall-2", "b2"))))
    assert filters(known.own_topics, max_units=6) == {"emissions/#", "gw/+/+"}


def test_a_level_is_named_where_several_are_any() -> None:
    topic = "application/+/device/+/event/up"
    device = by_level("hall-1", "eui1", topic, "device_from: topic.3, ")
    fleet = station_of(facility("linz", device))
    assert taken(fleet, "application/7/device/eui1/event/up", record("", 5)) == [("hall-1.e", 5)]
    assert taken(fleet, "application/8/device/eui2/event/up", record("", 5)) == []
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("eui2",))]


def test_a_device_that_was_exchanged_has_both_ids() -> None:
    fleet = station_of(facility("linz", by_level("hall-1", "[old, new]")))
    assert taken(fleet, "gw/old/telemetry", record("", 5)) == [("hall-1.e", 5)]
    assert taken(fleet, "gw/new/telemetry", record("", 6)) == [("hall-1.e", 6)]


def test_a_device_with_the_whole_topic_goes_before_nobody() -> None:
    whole = by_level("hall-9", "x").replace("known_as: x, ", "").replace("+", "z9")
    fleet = station_of(facility("linz", by_level("hall-1", "a1"), whole))
    assert taken(fleet, "gw/z9/telemetry", record("", 5)) == [("hall-9.e", 5)]
    assert fleet.quarantine == []


def test_native_devices_are_told_by_a_level_too() -> None:
    device = f"id: hall-1, topic: gw/+/up, known_as: a1, channels: [{{id: e, {ENERGY}}}]"
    fleet = station_of(facility("linz", device))
    assert taken(fleet, "gw/a1/up", {"ts": NOON, "values": {"e": 7}}) == [("hall-1.e", 7)]
    assert taken(fleet, "emissions/linz/hall-1/readings", {"ts": NOON, "values": {"e": 7}})


def test_channels_with_topics_of_their_own_share_the_level() -> None:
    device = (
        "id: hall-1, topic: shellies/+/emeter, known_as: em1, format: json, channels:"
        f" [{{id: a, topic: 0/total, {ENERGY}}}, {{id: b, topic: 1/total, {ENERGY}}}]"
    )
    fleet = station_of(facility("linz", device))
    assert taken(fleet, "shellies/em1/emeter/1/total", "7") == [("hall-1.b", 7)]
    taken(fleet, "shellies/em2/emeter/0/total", "7")
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("em2",))]


def test_facilities_share_a_pattern_and_its_unknown_ids() -> None:
    texts = (facility("linz", by_level("x", "a1")), facility("graz", by_level("x", "b2")))
    fleet = Station(directory(*map(parse, texts)))
    assert taken(fleet, "gw/b2/telemetry", record("", 5)) == [("x.e", 5)]
    assert fleet.quarantine == []
    taken(fleet, "gw/c3/telemetry", record("", 5))
    assert refused(fleet) == [
        ("graz", None, Reason.UNKNOWN_DEVICE, ("c3",)),
        ("linz", None, Reason.UNKNOWN_DEVICE, ("c3",)),
    ]


# -- by what stands in the message ------------------------------------------------------------


def test_an_id_in_each_record_tells_the_device() -> None:
    fleet = station_of(facility("linz", by_path("hall-1", "Slave1"), by_path("hall-2", "7")))
    payload = [record("Slave1", "100.0"), record(7, 500), record("Slave1", 101, NOON + 900)]
    assert taken(fleet, GATEWAY, payload) == [
        ("hall-1.e", 100),
        ("hall-1.e", 101),
        ("hall-2.e", 500),
    ]
    assert fleet.quarantine == []


def test_unknown_ids_of_a_message_are_one_entry_and_the_rest_is_taken() -> None:
    fleet = station_of(facility("linz", by_path("hall-1", "Slave1")))
    payload = [record("Slave9"), record("Slave1"), record("Slave12"), record("Slave9")]
    assert taken(fleet, GATEWAY, payload) == [("hall-1.e", 1)]
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("Slave12", "Slave9"))]
    assert "no device is known as 'Slave12', 'Slave9' at plant/gw1" in fleet.quarantine[0].detail


def test_a_record_without_an_id_is_not_lost() -> None:
    fleet = station_of(facility("linz", by_path("hall-1", "Slave1")))
    assert taken(fleet, GATEWAY, {"ts": NOON, "kwh": 5}) == []
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("",))]
    assert "no device is known as (no id) at plant/gw1/meters" in fleet.quarantine[0].detail


def test_records_and_where_split_before_the_id_is_looked_for() -> None:
    more = "records: values, where: {type: [meter]}, "
    fleet = station_of(facility("linz", by_path("hall-1", "Slave1", more)))
    values = [{"type": "meter", **record("Slave1")}, {"type": "beat", "macid": "gw"}]
    assert taken(fleet, GATEWAY, {"values": values}) == [("hall-1.e", 1)]
    assert fleet.quarantine == []


def test_records_under_their_ids_as_thingsboards_gateway_sends_them() -> None:
    one, two = (
        f"id: {name}, topic: v1/gateway/telemetry, device_from: keys(@), known_as: {known_as},"
        " format: json, timestamp: {from: ts},"
        f" channels: [{{id: e, from: values.energy, {ENERGY}}}]"
        for name, known_as in (("hall-1", "Device A"), ("hall-2", "Device B"))
    )
    fleet = station_of(facility("linz", one, two))
    payload = {
        "Device A": [
            {"ts": NOON * 1000, "values": {"energy": 42}},
            {"ts": NOON * 1000 + 60_000, "values": {"energy": 43}},
        ],
        "Device B": [{"ts": NOON * 1000, "values": {"energy": 72}}],
        "Device C": [{"ts": NOON * 1000, "values": {"energy": 1}}],
    }
    assert taken(fleet, "v1/gateway/telemetry", payload) == [
        ("hall-1.e", 42),
        ("hall-1.e", 43),
        ("hall-2.e", 72),
    ]
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("Device C",))]


def test_facilities_share_a_gateway() -> None:
    texts = (facility("linz", by_path("x", "S1")), facility("graz", by_path("x", "S9")))
    fleet = Station(directory(*map(parse, texts)))
    found = taken(fleet, GATEWAY, [record("S1"), record("S9", 9), record("S5")])
    assert sorted(found, key=str) == [("x.e", 1), ("x.e", 9)]
    assert refused(fleet) == [
        ("graz", None, Reason.UNKNOWN_DEVICE, ("S5",)),
        ("linz", None, Reason.UNKNOWN_DEVICE, ("S5",)),
    ]


def test_what_one_way_of_splitting_knows_is_not_unknown_to_another() -> None:
    texts = (
        facility("linz", by_path("x", "S1")),
        facility("graz", by_path("x", "S9", 'records: "[]", ')),
    )
    fleet = Station(directory(*map(parse, texts)))
    assert len(taken(fleet, GATEWAY, [record("S1"), record("S9", 9)])) == 2
    assert fleet.quarantine == []


def test_a_message_that_cannot_be_read_is_one_entry_for_each_facility() -> None:
    texts = (
        facility("linz", *(by_path(f"m{k}", f"S{k}") for k in range(30))),
        facility("graz", by_path("x", "S99")),
    )
    fleet = Station(directory(*map(parse, texts)))
    taken(fleet, GATEWAY, "[")
    assert refused(fleet) == [
        ("graz", None, Reason.MALFORMED_JSON, None),
        ("linz", None, Reason.MALFORMED_JSON, None),
    ]


def test_what_is_wrong_with_one_devices_value_is_no_matter_of_the_others() -> None:
    fleet = station_of(facility("linz", by_path("hall-1", "S1"), by_path("hall-2", "S2")))
    assert taken(fleet, GATEWAY, [record("S1", "three"), record("S2", 2)]) == [("hall-2.e", 2)]
    assert refused(fleet) == [("linz", "hall-1", Reason.BAD_VALUE, None)]


def test_a_packed_message_is_unpacked_once() -> None:
    fleet = station_of(facility("linz", by_path("hall-1", "S1", "compression: gzip, ")))
    packed = gzip.compress(json.dumps([record("S1", 4)]).encode())
    assert taken(fleet, GATEWAY, packed) == [("hall-1.e", 4)]


def test_only_those_are_heard_of_that_the_message_names() -> None:
    known = directory(parse(facility("linz", by_path("a", "S1"), by_path("b", "S2"))))
    payload = json.dumps([record("S2")]).encode()
    message = Message(topic=GATEWAY, payload=payload, received_at=ARRIVAL, token=None)
    prepared = prepare([message], known, BOUNDS)
    (row,) = prepared.rows
    assert set(prepared.sightings) == {row.publisher.device_id}


def test_an_id_in_the_message_at_any_gateways_topic() -> None:
    device = by_path("hall-1", "S1").replace(GATEWAY, "plant/+/meters")
    fleet = station_of(facility("linz", device))
    assert taken(fleet, "plant/gw7/meters", [record("S1", 4)]) == [("hall-1.e", 4)]
    taken(fleet, "plant/gw8/meters", [record("S2", 4)])
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("S2",))]


# -- the second try ----------------------------------------------------------------------------


def test_a_second_try_takes_what_was_unknown_and_nothing_else() -> None:
    later = directory(
        parse(facility("linz", by_path("hall-1", "Slave1"), by_path("hall-9", "Slave9")))
    )
    payload = json.dumps([record("Slave1"), record("Slave9", 9), record("Slave12")]).encode()
    message = Message(topic=GATEWAY, payload=payload, received_at=ARRIVAL, token=None)
    ids = frozenset({"Slave9", "Slave12"})
    prepared = prepare([message], later, BOUNDS, facility="linz", ids=ids)
    assert [(row.publisher.device, row.value) for row in prepared.rows] == [("hall-9", 9)]
    assert [entry.unknown_ids for entry in prepared.quarantine] == [("Slave12",)]


# -- ids that do not matter --------------------------------------------------------------------


def test_ids_that_do_not_matter_are_ignored() -> None:
    more = f"ignored_ids: [{{topic: {GATEWAY}, ids: [Slave9]}}]\n"
    fleet = station_of(facility("linz", by_path("hall-1", "Slave1"), more=more))
    taken(fleet, GATEWAY, [record("Slave1"), record("Slave9")])
    assert fleet.quarantine == []
    taken(fleet, GATEWAY, [record("Slave12"), record("Slave9")])
    assert refused(fleet) == [("linz", None, Reason.UNKNOWN_DEVICE, ("Slave12",))]


def test_all_ids_that_nobody_has_are_ignored_by_one_facility_alone() -> None:
    texts = (
        facility("linz", by_level("x", "a1"), more="ignored_ids: [{topic: gw/+/telemetry}]\n"),
        facility("graz", by_level("x", "b2")),
    )
    fleet = Station(directory(*map(parse, texts)))
    taken(fleet, "gw/c3/telemetry", record("", 5))
    assert refused(fleet) == [("graz", None, Reason.UNKNOWN_DEVICE, ("c3",))]
    alone = Station(directory(parse(texts[0])))
    taken(alone, "gw/c3/telemetry", record("", 5))
    assert alone.quarantine == []


# -- what a file is refused for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        (by_level("a", "a1").replace("known_as: a1, ", ""), "a needs known_as: the id that stands"),
        (by_level("a", "a1", "+/x"), "begins with +, so that ingest would hear everything"),
        (by_level("a", "a1", "emissions/linz/+/x"), "is below emissions/, where each device"),
        (by_level("a", "a1", "gw/+/+"), "has 2 levels +, and a needs device_from: topic.N"),
        (by_level("a", "a1", "gw/x/y"), "known_as of a stands nowhere: give the topic a level +"),
        (by_level("a", "a/1"), "'a/1' cannot be a level of a topic"),
        (by_level("a", "a1", "gw/+/x", "device_from: topic.2, "), "(topic.0 is gw, topic.1 is +,"),
        (by_level("a", "a1", "gw/a+/x"), "is not one topic: write out the wildcards + and #"),
        (by_level("a", "1e5"), "put the id in quotes"),
        (by_path("a", "S1", path="'[?'"), "is neither topic.N nor JMESPath"),
        (by_path("a", "S1").replace("known_as: S1, ", ""), "a has device_from and needs known_as"),
        (by_path("a", "S1").replace("json", "senml"), "device_from is looked for in records of"),
    ],
)
def test_a_file_is_refused_with_what_to_do(device: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(facility("linz", device)))


@pytest.mark.parametrize(
    ("one", "other", "topic"),
    [
        (by_level("a", "m1"), by_level("b", "[m2, m1]"), "gw/+/telemetry"),
        (by_path("a", "m1"), by_path("b", "m1"), GATEWAY),
    ],
)
def test_two_devices_with_one_id_are_refused_in_one_sentence(
    one: str, other: str, topic: str
) -> None:
    (problem,) = problems(facility("linz", one, other))
    assert f"b and a are both known as m1 at {topic}: give each its own id" in problem


def test_the_same_value_by_the_whole_topic_and_by_its_level_is_refused() -> None:
    whole = by_level("b", "x").replace("known_as: x, ", "").replace("+", "m1")
    (problem,) = problems(facility("linz", by_level("a", "m1"), whole))
    assert "b.e takes from gw/m1/telemetry the same value as a.e, which would count" in problem


def test_ignored_ids_are_checked_against_the_devices() -> None:
    device = by_path("a", "m1")
    nowhere = problems(facility("linz", device, more="ignored_ids: [{topic: t/u}]\n"))
    assert "no device with known_as takes messages at t/u" in nowhere[0]
    taken_id = problems(
        facility("linz", device, more=f"ignored_ids: [{{topic: {GATEWAY}, ids: [m1]}}]\n")
    )
    assert f"a device is known as m1 at {GATEWAY}" in taken_id[0]
