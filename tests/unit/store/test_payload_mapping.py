from __future__ import annotations

import pytest

from services.core.store.registry.facility_file import FacilityFileError, parse

HEAD = "facility: {id: linz, name: Linz works, timezone: Europe/Vienna}\ndevices:\n"
ENERGY = "quantity: energy, unit: kWh, kind: counter"
POWER = "quantity: power, unit: kW, kind: gauge"


def refusals(devices: str) -> list[str]:
    with pytest.raises(FacilityFileError) as caught:
        parse(HEAD + devices)
    return [str(problem) for problem in caught.value.problems]


def refusal(devices: str) -> str:
    (problem,) = refusals(devices)
    return problem


def test_the_contracts_example_stands_as_it_is() -> None:
    file = parse(
        HEAD + "  - id: pow1\n"
        "    topic: tele/pow1/SENSOR\n"
        "    format: json\n"
        "    timestamp: {from: Time, timezone: Europe/Vienna}\n"
        "    channels: [{id: energy, from: ENERGY.Total, quantity: energy, unit: kWh,"
        " kind: counter}]\n"
    )
    assert file.devices[0].channels[0].from_ == "ENERGY.Total"


@pytest.mark.parametrize(
    "device",
    [
        f"{{id: a, format: json, topic: t, channels: [{{id: x, {ENERGY}}}]}}",
        f"{{id: a, format: json, channels: [{{id: x, from: x, {ENERGY}}}]}}",
        f"{{id: a, format: json, channels: [{{id: x, topic: t/x, {ENERGY}}}]}}",
        f"{{id: a, format: senml, topic: t, channels: [{{id: x, {ENERGY}}}]}}",
        f"{{id: a, format: senml, channels: [{{id: x, from: 'x#s', {ENERGY}}}]}}",
        f"{{id: a,topic: emissions/linz/a/readings, format: json, channels: [{{id: x, {POWER}}}]}}",
        f"{{id: a, format: json, topic: t, channels: [{{id: x, from: 'sum(x)', {ENERGY}}}]}}",
    ],
)
def test_devices_that_are_taken(device: str) -> None:
    assert parse(f"{HEAD}  - {device}\n").devices[0].id == "a"


@pytest.mark.parametrize("key", ["timestamp: {from: t}", "records: r"])
def test_a_native_device_maps_nothing(key: str) -> None:
    said = refusal(f"  - {{id: a, {key}, channels: [{{id: x, {ENERGY}}}]}}\n")
    assert said.startswith(f"line 3: {key.partition(':')[0]} maps a foreign payload")
    assert said.endswith("remove it, or give a format")


@pytest.mark.parametrize("key", ["timestamp: {from: t}", "topic: x"])
def test_nor_does_its_channel(key: str) -> None:
    said = refusal(f"  - {{id: a, topic: t, channels: [{{id: x, {key}, {ENERGY}}}]}}\n")
    assert "maps a foreign payload" in said


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("1-0:1.8.0", "double quotes"),
        ("a[", "Incomplete"),
        ("nosuch(@)", "Unknown function"),
        ("abs(a, b)", "abs"),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        "channels: [{{id: x, from: '{}', quantity: energy, unit: kWh, kind: counter}}]",
        "records: '{}', channels: [{{id: x, quantity: energy, unit: kWh, kind: counter}}]",
        "timestamp: {{from: '{}'}}, channels: [{{id: x, quantity: power, unit: kW, kind: gauge}}]",
    ],
)
def test_an_expression_that_is_none(expression: str, what: str, place: str) -> None:
    filled = place.format(expression)
    said = refusal(f"  - {{id: a, format: json, topic: t, {filled}}}\n")
    assert "is not JMESPath" in said
    assert what in said


def test_channels_of_one_topic_say_where_their_values_stand() -> None:
    said = refusals(
        "  - id: a\n    format: json\n    topic: t\n    channels:\n"
        f"      - {{id: x, {ENERGY}}}\n      - {{id: y, {POWER}}}\n"
    )
    assert [each.partition(" ")[2].partition(" ")[0] for each in said] == ["7:", "8:"]
    assert all("needs from" in each for each in said)


def test_channels_without_a_topic_need_the_device_to_have_one() -> None:
    said = refusal(
        "  - id: a\n    format: json\n    channels:\n"
        f"      - {{id: x, topic: t/x, {ENERGY}}}\n      - {{id: y, from: y, {POWER}}}\n"
    )
    assert said == "line 3: a needs a topic for those of its channels that name none"


def test_a_topic_belongs_to_one_device() -> None:
    said = refusal(
        f"  - {{id: a, format: json, topic: t/x, channels: [{{id: x, {ENERGY}}}]}}\n"
        "  - id: b\n    format: json\n    topic: t\n"
        f"    channels: [{{id: y, topic: x, {POWER}}}]\n"
    )
    assert said == (
        "line 7: device b, channel y, topic: t/x belongs to a already; make it one device with all"
        " channels"
    )


@pytest.mark.parametrize(
    "topic", ["emissions/linz/b/readings", "emissions/graz/a/status", "emissions/linz/alerts/x"]
)
def test_tonnes_own_topics_are_not_to_be_had(topic: str) -> None:
    said = refusal(f"  - {{id: a, format: json, topic: {topic}, channels: [{{id: x, {ENERGY}}}]}}")
    assert said == f"line 3: {topic} is a topic of tonne's own; let a publish elsewhere"


@pytest.mark.parametrize("topic", ["tele/+/SENSOR", "tele/#", '""'])
def test_a_topic_has_no_wildcards(topic: str) -> None:
    said = refusals(
        f"  - {{id: a, format: json, channels: [{{id: x, topic: {topic}, {ENERGY}}}]}}\n"
    )
    assert any("is not one topic: write out the wildcards" in each for each in said)


def test_an_interval_needs_a_time() -> None:
    interval = "quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end"
    said = refusal(f"  - {{id: a, format: json, topic: t, channels: [{{id: x, {interval}}}]}}\n")
    assert "would count twice" in said
    timed = f"timestamp: {{from: t}}, channels: [{{id: x, from: x, {interval}}}]"
    assert parse(f"{HEAD}  - {{id: a, format: json, topic: t, {timed}}}\n")


@pytest.mark.parametrize("name", ["a b", "#s", "x#t", "-x", "x#s#s"])
def test_a_senml_name_that_is_none(name: str) -> None:
    said = refusal(
        f"  - {{id: a, format: senml, topic: t, channels: [{{id: x, from: '{name}', {ENERGY}}}]}}\n"
    )
    assert f"'{name}' is no name of a SenML record" in said


@pytest.mark.parametrize("key", ["timestamp: {from: t}", "records: r"])
def test_senml_tells_times_and_records_itself(key: str) -> None:
    said = refusal(
        f"  - {{id: a, format: senml, topic: t, {key}, channels: [{{id: x, {ENERGY}}}]}}\n"
    )
    assert said.endswith("SenML tells it itself: remove it")


def test_a_senml_record_feeds_one_channel() -> None:
    said = refusal(
        "  - id: a\n    format: senml\n    topic: t\n    channels:\n"
        f"      - {{id: x, {POWER}}}\n      - {{id: y, from: 'x#v', {POWER}}}\n"
        f"      - {{id: z, from: 'x#s', {ENERGY}}}\n"
    )
    assert said == ("line 8: device a, channel y, from: x#v feeds x already; one channel is enough")
