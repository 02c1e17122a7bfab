from __future__ import annotations

import json

import pytest

from services.core.facility.file import FacilityFileError, parse
from services.core.facility.model import Channel, spec

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
        f"{{id: a, format: json, topic: t, quality: {{from: q, map: {{true: good, 0: bad}}}}, channels: [{{id: x, number: hex, {ENERGY}}}]}}",  # noqa: E501
        f"{{id: a, format: json, topic: t, timestamp: {{from: t, format: '%d.%m.%y %H:%M'}}, channels: [{{id: x, {ENERGY}}}]}}",  # noqa: E501
    ],
)
def test_devices_that_are_taken(device: str) -> None:
    assert parse(f"{HEAD}  - {device}\n").devices[0].id == "a"


@pytest.mark.parametrize(
    "key", ["timestamp: {from: t}", "records: r", "quality: {from: q, map: {a: good}}"]
)
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


def test_devices_of_one_topic_select_each_their_own() -> None:
    for one, other in (
        ("from: a", "from: b"),
        ("from: e", 'from: "[1].e"'),
        ('from: e, timestamp: {from: "t"}', "from: f"),
    ):
        file = parse(
            HEAD
            + f"  - {{id: a, format: json, topic: t, channels: [{{id: x, {one}, {ENERGY}}}]}}\n"
            f"  - {{id: b, format: json, topic: t, channels: [{{id: x, {other}, {ENERGY}}}]}}\n"
        )
        assert [device.topic for device in file.devices] == ["t", "t"]
    records = "format: json, topic: t, records: \"[?id=='{}']\""
    assert parse(
        HEAD
        + "".join(
            f"  - {{id: {d}, {records.format(d)}, channels: [{{id: x, from: e, {ENERGY}}}]}}\n"
            for d in "ab"
        )
    )


@pytest.mark.parametrize(
    ("wire_format", "key"), [("json", ""), ("json", "from: e, "), ("senml", ""), ("native", "")]
)
def test_a_value_does_not_count_for_two_devices(wire_format: str, key: str) -> None:
    rest = f"format: {wire_format}, topic: t, channels: [{{id: x, {key}{ENERGY}}}]"
    said = refusal("".join(f"  - {{id: {device}, {rest}}}\n" for device in "ab"))
    assert said == (
        "line 4: b.x takes from t the same value as a.x, which would count twice; let each device"
        " of a topic select its own, or make it one device"
    )


def test_topics_of_channels_are_looked_at_whole() -> None:
    said = refusal(
        f"  - {{id: a, format: json, topic: t/x, channels: [{{id: x, {ENERGY}}}]}}\n"
        "  - id: b\n    format: json\n    topic: t\n"
        f"    channels: [{{id: y, topic: x, {POWER}}}]\n"
    )
    assert "b.y takes from t/x the same value as a.x" in said


@pytest.mark.parametrize(
    "topic", ["emissions/linz/b/readings", "emissions/graz/a/status", "emissions/linz/alerts/x"]
)
def test_tonnes_own_topics_are_not_to_be_had(topic: str) -> None:
    said = refusal(f"  - {{id: a, format: json, topic: {topic}, channels: [{{id: x, {ENERGY}}}]}}")
    assert said == f"line 3: {topic} is a topic of tonne's own; let a publish elsewhere"


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("tele/+/SENSOR", "has a level +, and a needs known_as"),
        ("tele/a+/SENSOR", "is not one topic: write out the wildcards"),
        ("tele/#", "is not one topic: write out the wildcards"),
        ("", "at least one character"),
        (">", "a wildcard to NATS"),
        ("plant/>", "a wildcard to NATS"),
        ("plant/*/x", "a wildcard to NATS"),
        ("plant\n/x", "cannot be seen"),
        ("plant\r", "cannot be seen"),
        ("plant\x00", "cannot be seen"),
        ("plant\x7f", "cannot be seen"),
        ("plant\x85", "cannot be seen"),
        ("plant\u2028user mallory", "cannot be seen"),
        ("plant\u202e", "cannot be seen"),
        ("plant\ufeff", "cannot be seen"),
        ("plant\ud800", "cannot be seen"),
        ("$SYS/broker", "begins with $"),
        ("$share/g/plant", "begins with $"),
        ("$JS/API/STREAM/DELETE/$MQTT_msgs", "begins with $"),
        ("x" * 257, "at most 256"),
        ("\N{LATIN SMALL LETTER A WITH DIAERESIS}" * 129, "at most 256"),
        ("x" * 100_000, "longer than 1000 characters"),
    ],
)
@pytest.mark.parametrize("where", ["device", "channel"])
def test_a_topic_is_one_topic_and_can_be_written_into_any_file(
    topic: str, says: str, where: str
) -> None:
    quoted = json.dumps(topic)
    device, channel = (
        (f"topic: {quoted}, ", "") if where == "device" else ("", f"topic: {quoted}, ")
    )
    with pytest.raises(FacilityFileError) as caught:
        parse(
            f"{HEAD}  - {{id: a, format: json, {device}channels: [{{id: x, {channel}{ENERGY}}}]}}\n"
        )
    said = " ".join(map(str, caught.value.problems))
    assert says in said or "valid string" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "topic", ["My Home/energy", "/leading", "a//b", "homie/d/$state", "a>b/c*", "Wärme/Zähler"]
)
def test_topics_that_devices_have_are_taken(topic: str) -> None:
    device = f'{{id: a, format: json, topic: "{topic}", channels: [{{id: x, {ENERGY}}}]}}'
    assert parse(f"{HEAD}  - {device}\n").devices[0].topic == topic


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


JSON = "  - {id: a, format: json, topic: t, channels: [{id: x, quantity: energy, kind: counter, "


def channel_of(keys: str) -> Channel:
    return parse(f"{HEAD}{JSON}{keys}}}]}}\n").devices[0].channels[0]


def test_a_unit_that_the_payload_tells_has_one_that_readings_are_kept_in() -> None:
    found = channel_of("unit: {from: u, map: {MWH: MWh}, default: kWh}")
    assert found.unit == "kWh"
    assert found.unit_from is not None
    assert (found.unit_from.from_, found.unit_from.map) == ("u", {"MWH": "MWh"})
    # as the registry keeps it, and reads it again
    assert Channel.model_validate(spec(found)) == found


def test_words_are_texts_booleans_or_numbers() -> None:
    found = channel_of("unit: kWh, quality: {from: q, map: {true: good, 192: good, N: bad}}")
    assert found.quality is not None
    assert found.quality.map == {"true": "good", "192": "good", "N": "bad"}
    assert Channel.model_validate(spec(found)) == found


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("unit: {from: u}", "needs default"),
        ("unit: {from: u, map: {MWH: m3}, default: kWh}", "m3"),
        ("unit: {from: '[', default: kWh}", "not JMESPath"),
        ("unit: kWh, quality: {from: '[', map: {a: good}}", "not JMESPath"),
        ("unit: kWh, quality: {from: q, map: {a: fine}}", "good"),
        ("unit: kWh, quality: {from: q, map: {}}", "map"),
        ("unit: kWh, timestamp: {from: t, format: YYYYMMDD}", "%Y%m%d%H%M%S"),
        ("unit: kWh, timestamp: {from: t, format: '%H:%M'}", "does not tell a date"),
        ("unit: kWh, number: octal", "hex"),
    ],
)
def test_what_cannot_be_meant_is_one_error(keys: str, words: str) -> None:
    assert words in refusal(f"{JSON}{keys}}}]}}\n")
