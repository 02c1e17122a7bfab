"""A candidate as a piece of a facility file: what is adopted is a file that tonne understands."""

from __future__ import annotations

from typing import Any

import pytest

from services.core.facility.discovery import families, pieces
from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.payloads import TimePlace
from services.core.facility.discovery.pieces import ChosenChannel
from services.core.facility.editing.edits import edited
from services.core.facility.file import parse

TEXT = """\
facility: {id: linz, name: Linz, timezone: Europe/Vienna}
devices:
  # the meter of the utility
  - id: meter
    channels:
      - {id: import, quantity: energy, unit: kWh, kind: counter}
factors:
  - {id: works, unit: kWh, co2_kg: 0.2, citation: contract}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: works}
"""


def channel(topic: str, path: str, name: str, **more: Any) -> ChosenChannel:
    return ChosenChannel(
        **{"topic": topic, "path": path, "id": name, "unit": "kWh", "kind": "counter", **more}
    )


def after(piece: dict[str, Any], source: dict[str, Any] | None = None) -> str:
    document = edited(TEXT, []).value
    text = edited(TEXT, pieces.edits(document, piece, source)).text
    parse(text, [])
    return text


def test_one_topic_with_local_times() -> None:
    topic = "tele/pow1/SENSOR"
    piece = pieces.device(
        families.TASMOTA,
        "pow1",
        [
            channel(topic, "ENERGY.Total", "energy"),
            channel(topic, "ENERGY.Power", "power", unit="W", kind="gauge", interval_s=300.0),
        ],
        Learned(times={topic: TimePlace(path="Time", kind="local")}),
        timezone="Europe/Vienna",
    )
    assert piece == {
        "id": "pow1",
        "topic": topic,
        "format": "json",
        "timestamp": {"from": "Time", "timezone": "Europe/Vienna"},
        "channels": [
            {"id": "energy", "from": "ENERGY.Total", "quantity": "energy", "unit": "kWh",
             "kind": "counter"},
            {"id": "power", "from": "ENERGY.Power", "quantity": "power", "unit": "W",
             "kind": "gauge", "max_gap": 900},
        ],
    }  # fmt: skip
    document = edited(TEXT, []).value
    assert pieces.factors(document) == ["works"]
    source = pieces.source(
        document, "pow1", "pow1", channel(topic, "ENERGY.Total", "energy"), "works"
    )
    text = after(piece, source)
    assert text.startswith(TEXT[: TEXT.index("factors:")])
    assert "- {id: pow1, scope: 2, method: activity, input: pow1.energy, factor: works}" in text


def test_topics_side_by_side_have_their_shared_levels_once() -> None:
    piece = pieces.device(
        families.SHELLY_1,
        "em",
        [
            channel("shellies/em/emeter/0/total", "@", "import", unit="Wh"),
            channel("shellies/em/emeter/0/power", "@", "power", unit="W", kind="gauge"),
        ],
        Learned(),
        timezone="Europe/Vienna",
    )
    assert piece["topic"] == "shellies/em/emeter/0"
    assert [one["topic"] for one in piece["channels"]] == ["total", "power"]
    after(piece)


@pytest.mark.parametrize("topics", [("a/x", "b/y"), ("a", "a/x"), ("a/b", "a/b/c")])
def test_topics_that_share_little(topics: tuple[str, str]) -> None:
    rows = [channel(topic, "v", f"c-{i}") for i, topic in enumerate(topics)]
    piece = pieces.device(families.OTHER, "x", rows, Learned(), timezone="UTC")
    after(piece)
    base = piece.get("topic")
    assert [f"{base}/{c['topic']}" if base else c["topic"] for c in piece["channels"]] == [*topics]


def test_times_that_only_some_topics_tell() -> None:
    rows = [channel("a/x", "v", "one"), channel("a/y", "v", "other")]
    times = {"a/x": TimePlace(path="ts", kind="epoch")}
    piece = pieces.device(families.OTHER, "x", rows, Learned(times=times), timezone="UTC")
    assert "timestamp" not in piece
    assert [one.get("timestamp") for one in piece["channels"]] == [{"from": "ts"}, None]
    after(piece)


def test_senml() -> None:
    rows = [channel("gw/senml", "urn:dev:1:energy", "energy")]
    piece = pieces.device(families.SENML, "gw", rows, Learned(), timezone="UTC")
    assert piece["format"] == "senml"
    after(piece)


def test_channels_of_a_device_that_is_there() -> None:
    rows = [channel("emissions/linz/meter/readings", "power", "power", unit="kW", kind="gauge")]
    piece = pieces.device(families.NATIVE, "meter", rows, Learned(), timezone="UTC")
    text = after(piece)
    assert text.count("id: meter") == 1
    assert "{id: power, quantity: power, unit: kW, kind: gauge}" in text


def test_the_first_device_of_a_facility() -> None:
    text = "facility: {id: new, name: New, timezone: UTC}\n"
    rows = [channel("a", "v", "energy")]
    piece = pieces.device(families.OTHER, "x", rows, Learned(), timezone="UTC")
    after_edits = edited(text, pieces.edits(edited(text, []).value, piece, None)).text
    assert parse(after_edits, []).devices[0].id == "x"
