"""Shelly, first generation: a topic for each quantity, plain numbers, no time."""

from __future__ import annotations

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

EM = "shellies/shellyem-b1e05a"


@pytest.fixture
def gen1() -> Station:
    return station("shelly-gen1")


def test_each_quantity_has_its_topic_and_is_timed_by_its_arrival(gen1: Station) -> None:
    gen1.receive(f"{EM}/emeter/0/power", "412.57")
    gen1.receive(f"{EM}/emeter/0/total", "1234567.8")
    gen1.receive(f"{EM}/emeter/0/total_returned", "0.0")
    gen1.receive(f"{EM}/emeter/1/power", "-3200.00")
    assert gen1.readings == [
        Reading("shellyem-house.power", ARRIVAL, 412.57, ARRIVAL_TIME),
        Reading("shellyem-house.import", ARRIVAL, 1234567.8, ARRIVAL_TIME),
        Reading("shellyem-house.export", ARRIVAL, 0.0, ARRIVAL_TIME),
        Reading("shellyem-house.pv-power", ARRIVAL, -3200.0, ARRIVAL_TIME),
    ]


def test_watt_minutes(gen1: Station) -> None:
    (reading,) = gen1.receive("shellies/shellyplug-s-041c9f/relay/0/energy", "93012")
    assert reading == Reading("shellyplug-server.energy", ARRIVAL, 93012, ARRIVAL_TIME)


def test_a_retained_number_is_of_no_known_time(gen1: Station) -> None:
    assert gen1.receive(f"{EM}/emeter/0/total", "1234567.8", retained=True) == []
    assert gen1.quarantine == []


@pytest.mark.parametrize("leaf", ["emeter/0/voltage", "emeter/0/pf", "relay/0", "online"])
def test_other_quantities_are_ignored(gen1: Station, leaf: str) -> None:
    assert gen1.receive(f"{EM}/{leaf}", "true") == []
    assert gen1.quarantine == []


def test_an_empty_payload_takes_back_what_was_retained_and_says_nothing(gen1: Station) -> None:
    assert gen1.receive(f"{EM}/emeter/0/power", b"") == []
    assert gen1.quarantine == []


@pytest.mark.parametrize(
    ("payload", "reason"), [("nan", "malformed_json"), (" ", "malformed_json")]
)
def test_what_is_no_number(gen1: Station, payload: str, reason: str) -> None:
    assert gen1.receive(f"{EM}/emeter/0/power", payload) == []
    assert [(e.reason, e.payload) for e in gen1.quarantine] == [(reason, payload.encode())]
