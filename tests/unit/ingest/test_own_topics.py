from __future__ import annotations

from datetime import UTC, datetime

from services.core.store.registry.facility_file import parse
from services.ingest.reasons import Reason
from tests.contract.ingest.formats.station import Reading, Station, directory, station_of

ENERGY = "quantity: energy, unit: kWh, kind: counter"
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


def test_a_topic_of_two_facilities_goes_to_neither_until_one_gives_it_up() -> None:
    files = [
        facility(
            name, f"{{id: meter-{name}, topic: t, format: json, channels: [{{id: x, {ENERGY}}}]}}"
        )
        for name in ("linz", "graz")
    ]
    both = Station(directory(*map(parse, files)))
    assert both.receive("t", "7") == []
    (entry,) = both.quarantine
    assert (entry.reason, entry.payload) == (Reason.AMBIGUOUS_TOPIC, b"7")
    assert "'meter-graz'" in entry.detail
    assert "'meter-linz'" in entry.detail
    assert len(Station(directory(parse(files[0]))).receive("t", "7")) == 1


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
