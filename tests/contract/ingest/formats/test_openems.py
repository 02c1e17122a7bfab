"""OpenEMS Edge: a topic for each channel, the bare value as JSON."""

from __future__ import annotations

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

METER = "edge/edge0/channel/meter0"


@pytest.fixture
def edge() -> Station:
    return station("openems")


def test_bare_values_and_null_as_a_gap(edge: Station) -> None:
    edge.receive(f"{METER}/ActivePower", "2500")
    edge.receive(f"{METER}/ActiveProductionEnergy", "1234567")
    edge.receive(f"{METER}/ActivePower", "null")
    assert edge.readings == [
        Reading("edge0-meter0.power", ARRIVAL, 2500, ARRIVAL_TIME),
        Reading("edge0-meter0.import", ARRIVAL, 1234567, ARRIVAL_TIME),
        Reading("edge0-meter0.power", ARRIVAL, None, ARRIVAL_TIME),
    ]


@pytest.mark.parametrize(
    "topic",
    ["edge/edge0/channel/lastUpdate", "edge/edge0/edgeConfig", f"{METER}/Frequency"],
)
def test_other_topics_are_ignored(edge: Station, topic: str) -> None:
    assert edge.receive(topic, "1698915600000") == []
    assert edge.quarantine == []


def test_a_state_is_no_number(edge: Station) -> None:
    # the value before holds no longer
    assert [r.value for r in edge.receive(f"{METER}/ActivePower", '"UNDEFINED"')] == [None]
    (entry,) = edge.quarantine
    assert (entry.reason, entry.channel, entry.payload) == (
        "bad_value",
        "power",
        b'"UNDEFINED"',
    )
