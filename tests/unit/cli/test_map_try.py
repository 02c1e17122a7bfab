"""``tonne map try``: what ingest would make of a message, told without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensors_sim.sparkplug_bytes import Metric
from sensors_sim.sparkplug_bytes import payload as sparkplug_payload
from tests.command import Ended, tonne
from tests.contract.ingest.formats.station import station_of

_FILE = """
facility: {id: hall, name: Hall, timezone: UTC}
devices:
  - id: meter
    topic: hall/meter
    format: json
    timestamp: {from: t}
    channels:
      - {id: energy, from: e, scale: 40, quantity: energy, unit: kWh, kind: counter}
      - {id: power, from: p, range: [0, 2], quantity: power, unit: kW, kind: gauge}
  - id: stack
    channels: [{id: flow, quantity: volume_flow, unit: m3/h, kind: gauge}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.energy, factor: imported-into-the-registry}
"""
_TIME = "2026-06-01T08:00:00Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hall.yaml"
    path.write_text(_FILE)
    return path


def tried(file: Path, payload: Any, *words: str) -> Ended:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return tonne("postgresql://nobody@127.0.0.1:1/nothing", "map", "try", file, *words, asked=text)


def verdicts(file: Path, payload: Any, *words: str) -> tuple[int, list[dict[str, Any]]]:
    ended = tried(file, payload, "--json", *words)
    return ended.code, json.loads(ended.stdout)


def test_a_value_counts_by_its_scale_and_is_stored_as_it_was_sent(file: Path) -> None:
    code, (energy, power) = verdicts(file, {"t": _TIME, "e": 3})
    assert code == 0
    assert energy == {
        "topic": "hall/meter", "verdict": "taken", "device": "meter", "channel": "energy",
        "value": 120, "unit": "kWh", "stored": 3, "kind": "counter", "quality": "good",
        "time": _TIME, "timed_by": "t", "from": "e", "reason": None, "detail": None,
    }  # fmt: skip
    assert (power["verdict"], power["from"], power["value"]) == ("absent", "p", None)


def test_a_refusal_has_the_words_of_quarantine(file: Path) -> None:
    sent = {"t": _TIME, "e": 3, "p": 5}
    code, (energy, power) = verdicts(file, sent)
    station = station_of(_FILE.replace("imported-into-the-registry", "grid-gb"))
    station.receive("hall/meter", sent)
    (entry,) = station.quarantine
    assert code == 1
    assert energy["verdict"] == "taken"
    assert (power["verdict"], power["reason"]) == ("refused", entry.reason)
    assert f"power: {power['detail']}" == entry.detail


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"t": "soon", "e": 3}, "bad_time"),
        ("{", "malformed_json"),
        ("7", "not_a_reading"),
        ("x" * (1 << 20), "too_large"),
    ],
)
def test_a_message_that_is_refused_whole_says_so_once(file: Path, sent: Any, reason: str) -> None:
    code, (refused,) = verdicts(file, sent, "--topic", "hall/meter")
    assert code == 1
    assert (refused["device"], refused["channel"], refused["reason"]) == ("meter", None, reason)
    assert f"refused: meter: {reason}: " in tried(file, sent, "--topic", "hall/meter").stdout


def test_without_a_topic_the_one_that_makes_something_of_it_is_shown(file: Path) -> None:
    native = {"ts": _TIME, "values": {"flow": 7}}
    code, (flow,) = verdicts(file, native)
    assert code == 0
    assert flow["topic"] == "emissions/hall/stack/readings"
    assert (flow["value"], flow["timed_by"], flow["from"]) == (7, "ts", "values.flow")


def test_where_nothing_is_taken_all_topics_say_why(file: Path) -> None:
    code, told = verdicts(file, {"a": 1})
    assert code == 1
    assert [(each["device"], each["verdict"]) for each in told] == [
        ("meter", "absent"),
        ("meter", "absent"),
        ("stack", "refused"),
    ]


def test_a_topic_that_nobody_names_is_told_with_those_that_there_are(file: Path) -> None:
    ended = tried(file, "{}", "--topic", "hall/metre")
    assert ended.code == 1
    assert "hall/meter, emissions/hall/stack/readings" in ended.stderr


def test_the_files_own_mistakes_come_with_their_lines(file: Path) -> None:
    file.write_text(_FILE.replace("from: e,", "from: 'e[',"))
    ended = tried(file, "{}")
    assert ended.code == 1
    assert "hall.yaml:9: " in ended.stderr
    assert "is not JMESPath" in ended.stderr


def test_a_payload_comes_from_a_file_and_arrives_when_it_is_said_to(
    file: Path, tmp_path: Path
) -> None:
    payload = tmp_path / "payload"
    payload.write_text('{"p": 1}')
    code, (power, _) = verdicts(file, "", str(payload), "--at", _TIME)
    assert (code, power["time"], power["timed_by"]) == (0, _TIME, "arrival")
    missing = tried(file, "", str(tmp_path / "no-such"))
    assert (missing.code, "cannot be read" in missing.stderr) == (1, True)


def test_a_birth_of_sparkplug_is_tried_by_the_names_of_its_metrics(
    tmp_path: Path,
) -> None:
    file = tmp_path / "linz.yaml"
    file.write_text("""
facility: {id: linz, name: Linz, timezone: Europe/Vienna}
devices:
  - id: meter
    format: sparkplug
    sparkplug: {group: Linz, edge_node: Gateway, device: Meter-1}
    channels: [{id: power, from: Power/Active, quantity: power, unit: kW, kind: gauge}]
""")
    metric = Metric(name="Power/Active", datatype="Double", value=1.5, timestamp_ms=1795458600000)
    payload = tmp_path / "birth"
    payload.write_bytes(sparkplug_payload([metric], timestamp_ms=1795458600000, seq=0))
    words = ("map", "try", file, payload, "--json")
    ended = tonne("postgresql://nobody@127.0.0.1:1/nothing", *words)
    assert ended.code == 0, ended.said
    (verdict,) = json.loads(ended.stdout)
    assert (verdict["channel"], verdict["value"], verdict["timed_by"]) == (
        "power",
        1.5,
        "timestamp",
    )


def test_what_stands_beside_a_payload_is_stated_by_the_names_that_mappings_have(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hall.yaml"
    path.write_text(
        "facility: {id: hall, name: Hall, timezone: UTC}\n"
        "devices:\n"
        "  - {id: meter, topic: hall/meter, format: json, where: {property.site: north},\n"
        "     timestamp: {from: property.at}, channels: [{id: energy, from: e, quantity: energy,\n"
        "     unit: {from: property.unit, default: kWh}, kind: counter}]}\n"
    )
    beside = ["property.site=north", f"property.at={_TIME}", "property.unit=MWh"]
    words = [word for pair in beside for word in ("--beside", pair)]
    code, (energy,) = verdicts(path, {"e": 3}, *words)
    assert (code, energy["value"], energy["time"]) == (0, 3000, _TIME)
    assert energy["timed_by"] == "property.at"
    for wrong, why in (
        ("site=north", "'site' does not stand beside a payload"),
        ("property.site", "write NAME=VALUE"),
        ("message_expiry=soon", "message_expiry is a number of seconds"),
    ):
        ended = tried(path, {"e": 3}, "--beside", wrong)
        assert ended.code != 0
        assert why in ended.said
