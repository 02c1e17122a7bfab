"""Zigbee2MQTT: last_seen is an optional setting, with an offset or as epoch milliseconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

TOPIC = "zigbee2mqtt/PS5"
SENT: dict[str, Any] = json.loads(
    '{"ac_frequency":50,"current":0,"device_temperature":30,"energy":31.02,'
    '"last_seen":"2025-10-15T19:10:57+02:00","linkquality":76,"power":0,"power_reactive":-33,'
    '"state":"ON","update":{"installed_version":199696,"latest_version":199696,"state":"idle"},'
    '"voltage":236.19}'
)
SEEN = datetime(2025, 10, 15, 17, 10, 57, tzinfo=UTC)


@pytest.fixture
def zigbee() -> Station:
    return station("zigbee2mqtt")


@pytest.mark.parametrize("last_seen", [SENT["last_seen"], 1760548257000, "1760548257000"])
def test_each_form_of_last_seen(zigbee: Station, last_seen: Any) -> None:
    assert zigbee.receive(TOPIC, SENT | {"last_seen": last_seen}) == [
        Reading("ps5.energy", SEEN, 31.02),
        Reading("ps5.power", SEEN, 0),
    ]


@pytest.mark.parametrize("last_seen", [{}, {"last_seen": None}])
def test_without_last_seen_the_arrival_is_the_time(
    zigbee: Station, last_seen: dict[str, Any]
) -> None:
    payload = {key: value for key, value in SENT.items() if key != "last_seen"} | last_seen
    assert zigbee.receive(TOPIC, payload) == [
        Reading("ps5.energy", ARRIVAL, 31.02, ARRIVAL_TIME),
        Reading("ps5.power", ARRIVAL, 0, ARRIVAL_TIME),
    ]


def test_a_last_seen_that_is_no_time_is_not_replaced(zigbee: Station) -> None:
    assert zigbee.receive(TOPIC, SENT | {"last_seen": "just now"}) == []
    assert zigbee.reasons() == ["bad_time"]


def test_a_retained_message_counts_by_its_own_time_only(zigbee: Station) -> None:
    assert len(zigbee.receive(TOPIC, SENT, retained=True)) == 2
    assert zigbee.receive(TOPIC, {"energy": 31.02}, retained=True) == []


def test_the_bridge_s_own_topics_are_ignored(zigbee: Station) -> None:
    assert zigbee.receive("zigbee2mqtt/bridge/state", '{"state":"online"}') == []
    assert zigbee.quarantine == []
